//! What people, other clients, processes and machines do.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use super::fleet::{Fleet, Member, Origin};
use super::ledger::{Deed, Done};
use super::site::Site;
use super::world::{Deafness, Ends, World, now};
use crate::engine_proxy::Mode;

/// One act.
#[derive(Clone, Debug)]
pub(super) struct Act {
    site: usize,
    member: usize,
    container: String,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Through locald.
    Command(&'static str),
    /// Through the engine's own program.
    Client(&'static [&'static str]),
    /// Through the engine's own program: made anew when it isn't there.
    ClientStart,
    /// A process ends by itself.
    Crash(&'static str),
    /// The engine goes down, by SIGTERM or SIGKILL, for a while.
    EngineStop(Duration),
    EngineKill(Duration),
    /// The host is killed, and started after a while.
    HostKill(Duration),
    /// The connections to the engine.
    Cut,
    Refuse(Duration),
    Delay(Duration, Duration),
    Hold(Duration, bool),
}

impl Act {
    pub(super) fn random(rng: &mut Rng, fleets: &[Fleet]) -> Self {
        let site = rng.usize(0..fleets.len());
        let member = rng.usize(0..fleets[site].members.len());
        // All are drawn every time: what a seed leads to depends on nothing else.
        let (brief, long, flip) = (rng.u64(0..3000), rng.u64(1000..12_000), rng.bool());
        let (brief, long) = (Duration::from_millis(brief), Duration::from_millis(long));
        let what = match rng.u8(0..100) {
            0..16 => What::Command("start"),
            16..24 => What::Command("stop"),
            24..28 => What::Command("restart"),
            28..33 => What::Client(&["stop", "-t", "1"]),
            33..37 => What::Client(&["kill"]),
            37..40 => What::Client(&["kill", "-s", "TERM"]),
            40..44 => What::Client(&["restart", "-t", "1"]),
            44..48 => What::Client(&["pause"]),
            48..53 => What::Client(&["unpause"]),
            53..57 => What::Client(&["rm", "-f"]),
            57..68 => What::ClientStart,
            68..84 => What::Crash("USR1"),
            84..92 => What::Crash("USR2"),
            92 => What::EngineStop(brief),
            93 => What::EngineKill(brief),
            94..96 => What::HostKill(brief),
            96 => What::Cut,
            97 => What::Refuse(brief),
            98 => What::Delay(brief / 2, long),
            _ => What::Hold(long, flip),
        };
        Self {
            site,
            member,
            container: fleets[site].members[member].container.clone(),
            what,
        }
    }

    /// For counting.
    pub(super) fn kind(&self) -> &'static str {
        match self.what {
            What::Command("start") => "locald start",
            What::Command("stop") => "locald stop",
            What::Command(_) => "locald restart",
            What::Client(arguments) => match arguments[0] {
                "stop" => "client: stop",
                "kill" if arguments.len() > 1 => "client: kill -s TERM",
                "kill" => "client: kill -9",
                "restart" => "client: restart",
                "pause" => "client: pause",
                "unpause" => "client: unpause",
                _ => "client: rm -f",
            },
            What::ClientStart => "client: start or run",
            What::Crash("USR1") => "crash: exit 3",
            What::Crash(_) => "crash: killed from within",
            What::EngineStop(_) => "engine: SIGTERM, start",
            What::EngineKill(_) => "engine: kill -9, start",
            What::HostKill(_) => "host: kill -9, start",
            What::Cut => "connection: cut",
            What::Refuse(_) => "connection: refused",
            What::Delay(..) => "connection: delayed",
            What::Hold(..) => "connection: half open",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let site = self.site;
        match self.what {
            What::EngineStop(time) | What::EngineKill(time) | What::Refuse(time) | What::Hold(time, _) => {
                write!(f, "{} [{site}] for {time:?}", self.kind())
            }
            What::HostKill(time) => write!(f, "{} after {time:?}", self.kind()),
            What::Delay(by, time) => write!(f, "{} [{site}] by {by:?} for {time:?}", self.kind()),
            What::Cut => write!(f, "{} [{site}]", self.kind()),
            _ => write!(f, "{} {}", self.kind(), self.container),
        }
    }
}

pub(super) async fn perform(world: &World, act: Act) -> Result<(), String> {
    let site = &world.sites[act.site];
    let member = &world.fleets[act.site].members[act.member];
    let from = now();
    let deaf = |ends| {
        world.deaf(Deafness {
            site: act.site,
            from,
            ends,
        });
    };
    match act.what {
        What::Command(word) => {
            // Without a host the command would start one of its own.
            let host = world.host.read().await;
            if host.is_none() {
                return Err("no host".to_owned());
            }
            if word != "start" {
                note_deed(world, member, Deed::Asked, from, from + 12.0);
            }
            world.home.cli(&[word, &member.service, "--no-wait"]).await.map(drop)
        }
        What::Client(arguments) => {
            let mut all = arguments.to_vec();
            all.push(&member.container);
            let deed = match arguments[0] {
                "stop" | "restart" | "kill" | "rm" => Some(Deed::Ended),
                _ => None,
            };
            let done = site.command(&all).await;
            if let Some(deed) = deed {
                note_deed(world, member, deed, from, now());
            }
            done.map(drop)
        }
        What::ClientStart => start(site, member).await,
        What::Crash(signal) => {
            let signal_word = format!("-{signal}");
            let arguments = ["exec", &member.container, "kill", &signal_word, "1"];
            let mut done = site.command(&arguments).await;
            if !was_sent(&done) && start(site, member).await.is_ok() {
                done = site.command(&arguments).await;
            }
            if signal == "USR2" && was_sent(&done) {
                note_deed(world, member, Deed::SelfKilled, from, now());
            }
            done.map(drop)
        }
        What::EngineStop(time) | What::EngineKill(time) => {
            let kill = matches!(act.what, What::EngineKill(_));
            let (lifted, booted) = site
                .with_engine(move |engine| {
                    if kill {
                        engine.kill();
                    } else {
                        engine.stop();
                    }
                    std::thread::sleep(time);
                    (now(), engine.boot())
                })
                .await;
            deaf(Ends::Subscription(lifted));
            assert!(booted.is_ok(), "{booted:?}");
            Ok(())
        }
        What::HostKill(time) => {
            {
                let mut host = world.host.write().await;
                let Some(host) = host.take() else {
                    return Err("no host".to_owned());
                };
                host.kill().await;
            }
            tokio::time::sleep(time).await;
            let lifted = now();
            world.start_host().await;
            for number in 0..world.sites.len() {
                world.deaf(Deafness {
                    site: number,
                    from,
                    ends: Ends::Subscription(lifted),
                });
            }
            Ok(())
        }
        What::Cut => {
            site.proxy.cut();
            deaf(Ends::Subscription(from));
            Ok(())
        }
        What::Refuse(time) => {
            site.proxy.set_mode(Mode::Refuse);
            site.proxy.cut();
            tokio::time::sleep(time).await;
            let lifted = now();
            site.proxy.set_mode(Mode::Pass);
            deaf(Ends::Subscription(lifted));
            Ok(())
        }
        What::Delay(by, time) => {
            site.proxy.set_mode(Mode::Delay(by));
            deaf(Ends::QuietIfSubscribed);
            tokio::time::sleep(time).await;
            site.proxy.set_mode(Mode::Pass);
            Ok(())
        }
        What::Hold(time, dies) => {
            site.proxy.set_mode(Mode::Hold);
            deaf(Ends::Quiet);
            tokio::time::sleep(time).await;
            if dies {
                site.proxy.cut();
            }
            site.proxy.set_mode(Mode::Pass);
            Ok(())
        }
    }
}

/// Did the signal arrive? The command may itself have ended with its container.
fn was_sent(done: &Result<String, String>) -> bool {
    match done {
        Ok(_) => true,
        Err(error) => error.trim_end().ends_with(':') || error.contains("no such exec session"),
    }
}

async fn start(site: &Site, member: &Member) -> Result<(), String> {
    match site.command(&["start", &member.container]).await {
        Err(error) if error.to_lowercase().contains("no such container") && member.origin != Origin::Declared => {
            let arguments = member.run_arguments();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            site.command(&arguments).await.map(drop)
        }
        other => other.map(drop),
    }
}

fn note_deed(world: &World, member: &Member, deed: Deed, from: f64, to: f64) {
    let mut ledger = world.ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    ledger.done.push(Done {
        container: member.container.clone(),
        deed,
        from,
        to,
    });
}
