//! Plain processes: their port, their environment, their folder, and an end that leaves nothing.

use locald_engine_testbed::free_port;
use locald_tests::{chaos::Host, needs, servers, wait::eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stage::{Stage, UP, answers};

/// Answers every request with a variable of its environment, or its folder.
const WEB: &str = r#"
import http.server, os
class Say(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path[1:]
        text = (os.getcwd() if name == "cwd" else os.environ.get(name, "")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Say).serve_forever()
"#;

async fn get(port: u64, path: &str) -> Result<String, String> {
    let told = async {
        let port = u16::try_from(port).unwrap_or_default();
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        stream
            .write_all(format!("GET /{path} HTTP/1.0\r\n\r\n").as_bytes())
            .await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok::<_, std::io::Error>(text)
    };
    let text = told.await.map_err(|error| error.to_string())?;
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_given_a_port_and_the_url_of_its_database_and_keeps_both() {
    if !needs::programs(&[("python3", "python3")]) {
        return;
    }
    let Some(stage) = Stage::new().await else { return };
    let db = format!("type = \"postgres\"\nport = {}", free_port());
    let web = "command = [\"python3\", \"web.py\"]\nworkdir = \"app\"\nport = \"auto\"\ndepends_on = [\"db\"]\n\
               env = { DATABASE_URL = \"${services.db.url}\", GREETING = \"hello $$5\" }";
    stage.home.write("home/shop/app/web.py", WEB);
    let folder = stage.project("shop", &[("db", &db), ("web", web)]);
    stage.locald(&folder, &["up", "--wait"]).await.unwrap();
    let row = stage.wait("shop/web", "running", |row| row["state"] == "running").await;
    let given = row["ports"][0]["host_port"].as_u64().unwrap();
    let told = |path: &'static str| eventually("the process to answer", UP, async move || get(given, path).await);
    assert_eq!(told("PORT").await, given.to_string());
    assert_eq!(told("GREETING").await, "hello $5");
    assert_eq!(told("cwd").await, folder.join("app").display().to_string());
    let url = told("DATABASE_URL").await;
    assert_eq!(url, stage.url(&folder, "db").await);
    answers(&url).await.unwrap();

    stage.locald(&folder, &["restart", "web", "--wait"]).await.unwrap();
    assert_eq!(told("PORT").await, given.to_string(), "another port after a restart");
    let error = stage.locald(&folder, &["snapshot", "save", "web"]).await.unwrap_err();
    assert!(error.contains("not made from the catalog"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_process_started_is_gone_when_it_is_stopped() {
    let Some(mut stage) = Stage::new().await else { return };
    // C41: a child that ignores SIGTERM under a shell that obeys it.
    let stubborn = "stop_grace = \"1s\"\n\
        command = [\"sh\", \"-c\", \"trap 'exit 0' TERM; sh -c \\\"trap '' TERM; sleep 999 & wait; wait\\\" & wait\"]";
    let folder = stage.project("shop", &[("job", stubborn)]);
    let sleeps = |stage: &Stage| -> usize {
        let all = servers::of(stage.home.root());
        all.iter().filter(|process| process.name == "sleep").count()
    };
    for host_dies in [false, true] {
        stage.locald(&folder, &["up"]).await.unwrap();
        eventually("the child of the child", UP, async || {
            if sleeps(&stage) == 1 { Ok(()) } else { Err("not there") }
        })
        .await;
        if host_dies {
            stage.host.take().unwrap().kill().await;
            stage.host = Some(Host::alone(&stage.home).await);
            let row = stage
                .wait("shop/job", "running again", |row| row["state"] == "running")
                .await;
            assert_eq!(row["restarts"], 0, "{row}");
            assert_eq!(sleeps(&stage), 1, "a second one");
        }
        stage.locald(&folder, &["stop", "job"]).await.unwrap();
        let row = stage.row("shop/job").await.unwrap();
        assert_eq!(row["state"], "stopped", "{row}");
        assert_ne!(row["exit"]["crashed"], true, "{row}");
        assert_eq!(sleeps(&stage), 0, "something survived");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_restart_policy_holds_for_processes() {
    let Some(stage) = Stage::new().await else { return };
    let third = "restart = \"on-failure\"\n\
        command = [\"sh\", \"-c\", \"echo x >> times; test $(wc -l < times) -ge 3 && exec sleep 998; exit 7\"]";
    let done = "restart = \"on-failure\"\ncommand = [\"sh\", \"-c\", \"echo x >> done; exit 0\"]";
    let never = "command = [\"sh\", \"-c\", \"echo gone wrong >&2; exit 3\"]";
    let wrong = "command = [\"no-such-program\"]";
    let services = [("third", third), ("done", done), ("never", never), ("wrong", wrong)];
    let folder = stage.project("shop", &services);
    let _ = stage.locald(&folder, &["up", "--no-wait"]).await;
    let row = stage
        .wait("shop/third", "running after two failures", |row| {
            row["state"] == "running" && row["restarts"] == 2
        })
        .await;
    assert_eq!(row["gave_up"], false, "{row}");
    let row = stage.wait("shop/done", "exited", |row| row["state"] == "exited").await;
    assert_eq!(row["exit"]["code"], 0, "{row}");
    assert_eq!(std::fs::read_to_string(folder.join("done")).unwrap(), "x\n");
    let row = stage.wait("shop/never", "exited", |row| row["exit"]["code"] == 3).await;
    assert_eq!(row["restarts"], 0, "{row}");
    assert_eq!(row["exit"]["last_line"], "gone wrong", "{row}");
    let fault = stage.fault("shop/wrong", "command_not_found").await;
    assert!(
        fault["message"].as_str().unwrap().contains("no-such-program"),
        "{fault}"
    );
}
