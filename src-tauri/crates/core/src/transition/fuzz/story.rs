//! What can happen.

use jiff::SignedDuration;

use super::sim::{NAMES, Sim, specs};
use crate::{
    Command, Event, ServiceSpec,
    event::{InstanceChange, Ticket},
    instance::RunState,
    snapshot::HealthKind,
    spec::Signal,
    state::Mute,
    transition::world::spec,
};

/// One thing: `kind` picks what, `a` and `b` the rest.
pub(super) fn happen(sim: &mut Sim, kind: u8, a: u8, b: u8) {
    let at = usize::from(b) % sim.engines.len();
    match kind % 64 {
        0..=3 => command(sim, a, Command::Start),
        4..=6 => command(sim, a, Command::Stop),
        7 => command(sim, a, Command::Restart),
        8 => command(sim, a, Command::Up),
        9 => {
            let service = sim.service(a);
            let engine = sim.engines[at].id.to_string();
            sim.apply(Event::Commanded(Command::Move { service, engine }));
        }
        10 => {
            let service = sim.service(a);
            let mute = [None, Some(Mute::ForGood), Some(Mute::Until(sim.now))][usize::from(b) % 3];
            sim.apply(Event::Commanded(Command::Mute { service, mute }));
        }
        11..=27 if !sim.open.is_empty() => {
            let effect = sim.open.remove(usize::from(a) % sim.open.len());
            sim.carry_out(effect, b > 230);
        }
        28..=34 if !sim.told.is_empty() => {
            // Mostly in order, as engines tell; sometimes not.
            let nth = if b > 200 { usize::from(a) % sim.told.len() } else { 0 };
            let event = sim.told.remove(nth);
            sim.apply(event);
        }
        35 if !sim.told.is_empty() => {
            // Told twice.
            let event = sim.told[usize::from(a) % sim.told.len()].clone();
            sim.apply(event);
        }
        36 if !sim.told.is_empty() => {
            sim.told.remove(usize::from(a) % sim.told.len());
        }
        37..=39 => exits(sim, at, a, b),
        40..=41 => starts_outside(sim, at, a),
        42 => stops_outside(sim, at, a, b),
        43 => pauses(sim, at, a),
        44 => removes(sim, at, a),
        45 => {
            let instance = sim.put_stranger(at, a);
            sim.tell(at, &instance, InstanceChange::Altered);
        }
        46 => {
            // Somebody else's copy of a container of locald's.
            let spec = spec(NAMES[usize::from(a) % NAMES.len()], &[]);
            let instance = sim.put(at, "copy", Some(&spec), RunState::Running);
            sim.tell(at, &instance, InstanceChange::Altered);
        }
        47 => {
            if let Some(instance) = sim.some_container(at, a) {
                let said = [HealthKind::Healthy, HealthKind::Unhealthy, HealthKind::Starting][usize::from(b) % 3];
                sim.tell(at, &instance, InstanceChange::HealthSaid(said));
            }
        }
        48..=49 => sim.lose(at),
        50..=53 => sim.connect(at),
        54 => sim.apply(Event::EngineCheckDue(sim.engines[at].id.clone())),
        55 if a > 200 => {
            // The host is killed, and another one starts.
            sim.boot();
        }
        56 => reload(sim, a),
        57 => stale(sim, a, b),
        58 => {
            // An engine goes down and takes all with it, as dockerd does.
            let running: Vec<_> = sim.engines[at].containers.keys().cloned().collect();
            for instance in running {
                if a.is_multiple_of(2) {
                    sim.tell(at, &instance, InstanceChange::Signaled(Some(Signal::TERM)));
                }
                sim.end(at, &instance, [0, 143, 137][usize::from(a) % 3], false);
            }
            if b > 128 {
                sim.told.clear();
            }
        }
        59 => {
            let setting = ["docker", "podman", "gone"]
                .get(usize::from(a) % 4)
                .map(|word| (*word).to_owned());
            sim.apply(Event::DefaultEngineChanged(setting));
        }
        _ => sim.now += SignedDuration::from_millis(i64::from(a) * i64::from(b)),
    }
}

fn command(sim: &mut Sim, a: u8, command: fn(Vec<crate::ServiceId>) -> Command) {
    let service = sim.service(a);
    sim.apply(Event::Commanded(command(vec![service])));
}

fn exits(sim: &mut Sim, at: usize, a: u8, b: u8) {
    if let Some(instance) = sim.some_container(at, a) {
        let code = [0, 1, 3, 137, 143, 255][usize::from(b) % 6];
        sim.end(at, &instance, code, b > 240);
    }
}

fn starts_outside(sim: &mut Sim, at: usize, a: u8) {
    let now = sim.now;
    if let Some(instance) = sim.some_container(at, a)
        && let Some(seen) = sim.engines[at].containers.get_mut(&instance)
        && !seen.run.is_alive()
    {
        seen.run = RunState::Running;
        seen.started_at = Some(now);
        sim.tell(at, &instance, InstanceChange::Altered);
    }
}

fn stops_outside(sim: &mut Sim, at: usize, a: u8, b: u8) {
    let Some(instance) = sim.some_container(at, a) else {
        return;
    };
    let docker = at == 0;
    if docker {
        sim.tell(at, &instance, InstanceChange::Signaled(Some(Signal(b % 20))));
    }
    sim.end(at, &instance, if b.is_multiple_of(2) { 143 } else { 137 }, false);
    if docker || b.is_multiple_of(3) {
        sim.tell(at, &instance, InstanceChange::StopRequested);
    }
    if b.is_multiple_of(7) {
        sim.tell(at, &instance, InstanceChange::RestartRequested);
        starts_outside(sim, at, a);
    }
}

fn pauses(sim: &mut Sim, at: usize, a: u8) {
    if let Some(instance) = sim.some_container(at, a)
        && let Some(seen) = sim.engines[at].containers.get_mut(&instance)
    {
        seen.run = match seen.run {
            RunState::Running => RunState::Paused,
            RunState::Paused => RunState::Running,
            _ => return,
        };
        sim.tell(at, &instance, InstanceChange::Altered);
    }
}

fn removes(sim: &mut Sim, at: usize, a: u8) {
    if let Some(instance) = sim.some_container(at, a) {
        if a.is_multiple_of(2) {
            sim.end(at, &instance, 137, false);
        }
        sim.tell(at, &instance, InstanceChange::Removed);
        sim.engines[at].containers.remove(&instance);
    }
}

fn reload(sim: &mut Sim, a: u8) {
    let mut all: Vec<ServiceSpec> = specs();
    if a > 128 {
        all.truncate(usize::from(a) % 6);
    }
    for spec in &mut all {
        spec.workdir = a.is_multiple_of(3).then(|| "/srv".to_owned());
        if a.is_multiple_of(5) {
            spec.health_check = None;
        }
        // Names that the file no longer has can't be needed.
        spec.depends_on.retain(|_| a <= 128);
    }
    sim.load(all);
}

/// Answers to what nobody asked any more.
fn stale(sim: &mut Sim, a: u8, b: u8) {
    let service = sim.service(a);
    let ticket = Ticket {
        service: service.clone(),
        number: u64::from(b) * 1_000_003,
    };
    let round = ticket.number + 77;
    let event = match b % 7 {
        0 => Event::PrepareFinished { ticket, result: Ok(()) },
        1 => Event::StartFinished {
            ticket,
            result: Ok("ghost".into()),
        },
        2 => Event::StopFinished { ticket, result: Ok(()) },
        3 => Event::InspectFailed { service, round },
        4 => Event::Probed {
            service,
            round,
            outcome: Ok(()),
        },
        5 => Event::BackOffElapsed { service, round },
        _ => Event::Waited { service, round },
    };
    sim.apply(event);
}
