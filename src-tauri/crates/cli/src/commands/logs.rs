//! `locald logs`.

use locald_engine::LogStream;
use locald_host::control::{
    client::{Client, Next},
    protocol::{Item, LogText, Request},
};
use serde_json::json;

use crate::{
    exit::Failure,
    output::{self, Pipe},
    target::{self, Project},
};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub follow: bool,
    pub lines: Option<u32>,
    pub timestamps: bool,
    pub json: bool,
}

pub(crate) async fn run(client: &mut Client, project: &Project, name: &str, options: Options) -> Result<(), Failure> {
    let loaded = project.load(client).await.ok().flatten();
    let status = target::status(client).await?;
    let service = target::service(&status, loaded.as_deref(), name)?;
    client
        .send(Request::Logs {
            service,
            tail: options.lines,
            follow: options.follow,
        })
        .await?;
    loop {
        let pipe = match client.next().await? {
            Next::Item(Item::Line(line)) => write(&line, options)?,
            Next::Item(Item::Restarted) if options.json => output::line(&json!({"restarted": true}).to_string())?,
            Next::Item(Item::Restarted) => {
                output::note("--- restarted ---");
                Pipe::Open
            }
            Next::Item(_) => Pipe::Open,
            Next::Done(done) => {
                return match done.reason {
                    Some(reason) if reason != "end of the log" => {
                        output::note(&reason);
                        Ok(())
                    }
                    _ => Ok(()),
                };
            }
        };
        if pipe == Pipe::Closed {
            return Ok(());
        }
    }
}

fn write(line: &LogText, options: Options) -> Result<Pipe, Failure> {
    if options.json {
        let stream = match line.stream {
            LogStream::Stdout => "stdout",
            LogStream::Stderr => "stderr",
        };
        let line = json!({"at": line.at, "stream": stream, "text": line.text, "cut_bytes": line.cut_bytes});
        return output::line(&line.to_string());
    }
    let prefix = match line.at {
        Some(at) if options.timestamps => format!("{at} "),
        _ => String::new(),
    };
    let pipe = output::foreign(&prefix, &line.text)?;
    if line.cut_bytes > 0 {
        output::note(&format!(
            "(the line goes on for {} bytes that are not shown)",
            line.cut_bytes
        ));
    }
    Ok(pipe)
}
