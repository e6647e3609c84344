//! How start and memory of the host grow with what an engine has.

use std::time::{Duration, Instant};

use locald_tests::{
    chaos::{Home, Host, Site},
    proc,
    wait::eventually,
};

use crate::{BUSYBOX, figures};

const SIZES: [usize; 3] = [10, 100, 500];
const RUNNING: usize = 20;
const RUNS: usize = 5;

pub async fn run() {
    println!("\nThe host beside a Docker with many containers, {RUNNING} of them running");
    let mut home = Home::new();
    let site = Site::docker(home.root()).unwrap_or_else(|reason| panic!("a benchmark needs a real engine: {reason}"));
    home.set_env("DOCKER_HOST", format!("unix://{}", site.proxy.socket().display()));
    let mut there = 0;
    for size in SIZES {
        while there < size {
            let verb = if there < RUNNING { "run" } else { "create" };
            let name = format!("c{there}");
            let mut arguments = vec![verb, "--name", &name];
            if there < RUNNING {
                arguments.push("-d");
            }
            arguments.extend([BUSYBOX, "sleep", "99999"]);
            site.command(&arguments).await.unwrap();
            there += 1;
        }
        measure(&home, &site, size).await;
    }
}

async fn measure(home: &Home, site: &Site, size: usize) {
    let (mut starts, mut lists, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let began = Instant::now();
        let host = Host::alone(home).await;
        eventually("a whole picture", Duration::from_secs(60), async || {
            let status = home.status().await?;
            let services = status["services"].as_array().map_or(0, Vec::len);
            let running = status["services"].as_array().into_iter().flatten();
            let running = running.filter(|service| service["state"] == "running").count();
            if services == size && running == size.min(RUNNING) {
                Ok(())
            } else {
                Err(format!("{services} services, {running} running"))
            }
        })
        .await;
        starts.push(began.elapsed());
        memory.push(proc::pss_kib(host.pid()) as f64 / 1024.0);
        host.kill().await;
        let began = Instant::now();
        site.command(&["ps", "-a", "--no-trunc"]).await.unwrap();
        lists.push(began.elapsed());
    }
    memory.sort_by(f64::total_cmp);
    let ours = figures(
        &format!("{size}: `locald host` to a whole `locald status`"),
        &mut starts,
    );
    let docker = figures(&format!("{size}: docker ps -a"), &mut lists);
    println!(
        "{size}: host {:.1} MiB PSS; {:.1} times docker ps -a",
        memory[memory.len() / 2],
        ours / docker
    );
}
