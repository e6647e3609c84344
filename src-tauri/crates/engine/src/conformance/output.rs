//! Logs, numbers, and commands inside.

use std::time::Duration;

use futures_util::StreamExt as _;

use super::{
    Ability, Bench, Foreign, Outcome, Verdict,
    bench::{SERVE, debug, ensure, same},
};
use crate::{EngineError, LogLine, LogOptions, LogStream};

const GRACE: Duration = Duration::from_secs(5);
const ALL: LogOptions = LogOptions {
    tail: None,
    follow: false,
    since: None,
};

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines
        .iter()
        .map(|line| String::from_utf8_lossy(&line.bytes).into_owned())
        .collect()
}

pub(super) async fn log_tail(bench: &Bench) -> Outcome {
    let id = bench
        .run(
            "talker",
            "echo one; echo two; echo three; sleep 0.2; echo four >&2; exit 0",
        )
        .await?;
    bench.ended(&id).await?;
    let lines = bench.lines(&id, ALL).await?;
    same(
        "lines",
        texts(&lines),
        ["one", "two", "three", "four"].map(str::to_owned).to_vec(),
    )?;
    let streams: Vec<_> = lines.iter().map(|line| line.stream).collect();
    same(
        "streams",
        streams,
        [[LogStream::Stdout; 3].as_slice(), &[LogStream::Stderr]].concat(),
    )?;
    let times: Vec<_> = lines.iter().filter_map(|line| line.at).collect();
    ensure(times.len() == 4 && times.is_sorted(), || format!("times: {times:?}"))?;
    let last = bench.lines(&id, LogOptions { tail: Some(2), ..ALL }).await?;
    same(
        "the last two",
        texts(&last),
        vec!["three".to_owned(), "four".to_owned()],
    )?;
    Ok(Verdict::Passed)
}

pub(super) async fn log_since(bench: &Bench) -> Outcome {
    let id = bench.run("later", "echo early; sleep 1.2; echo late; exit 0").await?;
    bench.ended(&id).await?;
    let lines = bench.lines(&id, ALL).await?;
    let [early, late] = &lines[..] else {
        return Err(format!("{:?}", texts(&lines)));
    };
    ensure(early.at < late.at, || "no times".to_owned())?;
    let since = bench.lines(&id, LogOptions { since: late.at, ..ALL }).await?;
    same("since the second", texts(&since), vec!["late".to_owned()])?;
    Ok(Verdict::Passed)
}

pub(super) async fn log_follow(bench: &Bench) -> Outcome {
    let id = bench
        .run("follow", "echo before; sleep 1; echo after; printf 'no end'; exit 0")
        .await?;
    let lines = bench.lines(&id, LogOptions { follow: true, ..ALL }).await?;
    same(
        "lines",
        texts(&lines),
        ["before", "after", "no end"].map(str::to_owned).to_vec(),
    )?;
    Ok(Verdict::Passed)
}

pub(super) async fn log_long(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::RealPrograms]) {
        return Ok(lack);
    }
    let script = "head -c 40000 /dev/zero | tr '\\0' a; echo; echo after; head -c 3000000 /dev/zero | tr '\\0' b; echo";
    let id = bench.run("long", script).await?;
    bench.ended(&id).await?;
    let lines = bench.lines(&id, ALL).await?;
    let lengths: Vec<_> = lines.iter().map(|line| (line.bytes.len(), line.cut_bytes)).collect();
    let cut = 3_000_000 - LogLine::LIMIT as u64;
    same("lengths", lengths, vec![(40_000, 0), (5, 0), (LogLine::LIMIT, cut)])?;
    ensure(lines[0].bytes.iter().all(|&byte| byte == b'a'), || {
        "other bytes inside the line".to_owned()
    })?;
    Ok(Verdict::Passed)
}

pub(super) async fn log_binary(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::RealPrograms]) {
        return Ok(lack);
    }
    let id = bench
        // No byte that isn't UTF-8: Docker's usual log file is JSON and replaces those before anybody reads them.
        .run(
            "binary",
            r"printf '\001\000\000\000\000\000\000\005hello\n'; printf '\002x\n'",
        )
        .await?;
    bench.ended(&id).await?;
    let lines: Vec<_> = bench
        .lines(&id, ALL)
        .await?
        .iter()
        .map(|line| line.bytes.to_vec())
        .collect();
    same(
        "bytes",
        lines,
        vec![b"\x01\0\0\0\0\0\0\x05hello".to_vec(), b"\x02x".to_vec()],
    )?;
    Ok(Verdict::Passed)
}

pub(super) async fn log_tty(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours, Ability::RealPrograms]) {
        return Ok(lack);
    }
    let script = "printf 'h\\303\\251llo\\n'; head -c 40000 /dev/zero | tr '\\0' a; echo; printf 'no newline'";
    let foreign = Foreign {
        tty: true,
        ..Foreign::new("suite-tty", script)
    };
    let id = bench.run_foreign(foreign).await?;
    bench.ended(&id).await?;
    let seen = bench.inspect(&id).await?.ok_or("it is gone")?;
    same("tty", seen.tty, true)?;
    let lines = bench.lines(&id, ALL).await?;
    let lengths: Vec<_> = lines.iter().map(|line| line.bytes.len()).collect();
    same("lengths", lengths, vec![6, 40_000, 10])?;
    same("first", &texts(&lines)[0], &"héllo".to_owned())?;
    Ok(Verdict::Passed)
}

pub(super) async fn log_none(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours]) {
        return Ok(lack);
    }
    let foreign = Foreign {
        keeps_logs: false,
        ..Foreign::new("suite-mute", SERVE)
    };
    let id = bench.run_foreign(foreign).await?;
    for follow in [true, false] {
        match bench.engine.logs(&id, LogOptions { follow, ..ALL }).await {
            Err(EngineError::LogsNotKept { driver }) => same("driver", driver.as_str(), "none")?,
            Err(other) => return Err(debug(other)),
            Ok(_) => return Err("there are logs".to_owned()),
        }
    }
    let other = bench.run("told", "echo one; exit 0").await?;
    bench.ended(&other).await?;
    same("lines of another", bench.lines(&other, ALL).await?.len(), 1)?;
    Ok(Verdict::Passed)
}

pub(super) async fn log_gone(bench: &Bench) -> Outcome {
    match bench.engine.logs(&"0123456789abcdef".into(), ALL).await {
        Err(EngineError::Logs { .. }) => Ok(Verdict::Passed),
        Err(other) => Err(debug(other)),
        Ok(_) => Err("there are logs".to_owned()),
    }
}

pub(super) async fn stats_running(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Numbers]) {
        return Ok(lack);
    }
    let id = bench.run("busy", SERVE).await?;
    let mut samples = bench.engine.stats(&id).await.map_err(debug)?;
    let mut next = async || samples.next().await.ok_or("the stream ended")?.map_err(debug);
    let first = next().await?;
    same("CPU in the first sample", first.cpu_percent, None)?;
    let second = next().await?;
    ensure(
        second.cpu_percent.is_some_and(|cpu| cpu.is_finite() && cpu >= 0.0),
        || debug(second),
    )?;
    ensure(second.memory_bytes.is_some_and(|bytes| bytes > 0), || debug(second))?;
    same("limit", second.memory_limit_bytes, None)?;
    bench.stop(&id, GRACE).await?;
    while let Some(sample) = samples.next().await {
        sample.map_err(debug)?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn stats_stopped(bench: &Bench) -> Outcome {
    let id = bench.run("idle", "exit 0").await?;
    bench.ended(&id).await?;
    let samples: Vec<_> = bench.engine.stats(&id).await.map_err(debug)?.collect().await;
    ensure(samples.is_empty(), || debug(&samples))?;
    Ok(Verdict::Passed)
}

pub(super) async fn stats_no_network(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::Neighbours]) {
        return Ok(lack);
    }
    let id = bench.run_foreign(Foreign::new("suite-alone", SERVE)).await?;
    let mut samples = bench.engine.stats(&id).await.map_err(debug)?;
    let sample = samples.next().await.ok_or("the stream ended")?.map_err(debug)?;
    let numbers = bench.lack(&[Ability::Numbers]).is_none();
    same("memory is known", sample.memory_bytes.is_some(), numbers)?;
    Ok(Verdict::Passed)
}

pub(super) async fn stats_removed(bench: &Bench) -> Outcome {
    let id = bench.run("brief", SERVE).await?;
    let mut samples = bench.engine.stats(&id).await.map_err(debug)?;
    samples.next().await.ok_or("the stream ended")?.map_err(debug)?;
    bench.outside.remove(&id).await?;
    while let Some(sample) = samples.next().await {
        let sample = sample.map_err(debug)?;
        ensure(
            sample.cpu_percent.is_none_or(|cpu| cpu.is_finite() && cpu >= 0.0),
            || debug(sample),
        )?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn stats_memory(bench: &Bench) -> Outcome {
    if let Some(lack) = bench.lack(&[Ability::RealPrograms, Ability::Numbers, Ability::CacheNumbers]) {
        return Ok(lack);
    }
    let script = "head -c 200000000 /dev/zero > /tmp/big; echo done; while :; do sleep 0.05; done";
    let id = bench.run("reader", script).await?;
    bench.written(&id, 1).await?;
    let mut samples = bench.engine.stats(&id).await.map_err(debug)?;
    let sample = samples.next().await.ok_or("the stream ended")?.map_err(debug)?;
    ensure(sample.memory_bytes.is_some_and(|bytes| bytes < 100_000_000), || {
        debug(sample)
    })?;
    Ok(Verdict::Passed)
}

pub(super) async fn exec_code(bench: &Bench) -> Outcome {
    let id = bench.run("inside", SERVE).await?;
    let command = ["sh", "-c", "echo out; echo err >&2; exit 4"].map(str::to_owned);
    let outcome = bench.engine.exec(&id, &command).await.map_err(debug)?;
    same("code", outcome.code, 4)?;
    ensure(
        outcome.output.contains("out\n") && outcome.output.contains("err\n"),
        || debug(&outcome),
    )?;
    if bench.is_real() {
        let command = ["sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x"].map(str::to_owned);
        let outcome = bench.engine.exec(&id, &command).await.map_err(debug)?;
        same("code and length", (outcome.code, outcome.output.len()), (0, 64 * 1024))?;
        let missing = bench.engine.exec(&id, &["no-such-program".to_owned()]).await;
        ensure(matches!(missing, Err(EngineError::Exec { .. })), || debug(missing))?;
    }
    Ok(Verdict::Passed)
}

pub(super) async fn exec_stopped(bench: &Bench) -> Outcome {
    let id = bench.run("asleep", "exit 0").await?;
    bench.ended(&id).await?;
    let outcome = bench.engine.exec(&id, &["true".to_owned()]).await;
    ensure(matches!(outcome, Err(EngineError::Exec { .. })), || debug(outcome))?;
    Ok(Verdict::Passed)
}
