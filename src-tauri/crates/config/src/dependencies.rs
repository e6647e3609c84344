//! Which service needs which: unknown ones, itself, and circles.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use crate::{
    errors::Found,
    walk::{Faults, suggest},
};

/// A service's needs, each with the place that says so.
pub(crate) type Needs<'d> = Vec<(&'d str, Range<usize>)>;

/// Notes each need that can't be met. `services` are all of the file, in its order.
pub(crate) fn check(services: &[(&str, &Needs<'_>)], faults: &Faults<'_>) {
    let known: BTreeSet<_> = services.iter().map(|(name, _)| *name).collect();
    for (name, needs) in services {
        for (need, span) in *needs {
            if need == name {
                let message = format!("`{name}` depends on itself");
                faults.push(Found::new(span.clone(), message).help("remove it"));
            } else if !known.contains(need) {
                let others = known.iter().copied().filter(|service| service != name);
                let message = format!("`{name}` depends on `{need}`, which doesn't exist");
                let help = suggest(need, others, "services of this file");
                faults.push(Found::new(span.clone(), message).label("no such service").help(help));
            }
        }
    }
    for circle in circles(services) {
        let names: Vec<_> = circle.iter().map(|(from, ..)| *from).collect();
        let first = names.first().copied().unwrap_or_default();
        let message = format!(
            "services depend on each other in a circle: {} → {first}",
            names.join(" → ")
        );
        let mut edges = circle.into_iter();
        let Some((from, to, span)) = edges.next() else { continue };
        let mut fault = Found::new(span, message)
            .label(format!("`{from}` needs `{to}`"))
            .help("remove one of these dependencies");
        for (from, to, span) in edges {
            fault = fault.also(span, format!("`{from}` needs `{to}`"));
        }
        faults.push(fault);
    }
}

type Edge<'d> = (&'d str, &'d str, Range<usize>);

/// Circles, each once, found by a walk in depth on its own stack: a file may chain thousands of services.
fn circles<'d>(services: &[(&'d str, &'d Needs<'d>)]) -> Vec<Vec<Edge<'d>>> {
    let needs: HashMap<_, _> = services.iter().copied().collect();
    let mut finished: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    for &(root, _) in services {
        if finished.contains(root) {
            continue;
        }
        // Each entry: a service, and the index of its need that is looked at next.
        let mut trail: Vec<(&'d str, usize)> = vec![(root, 0)];
        let mut depth: HashMap<&str, usize> = HashMap::from([(root, 0)]);
        while let Some((name, next)) = trail.last_mut() {
            let name = *name;
            let Some((need, _)) = needs.get(name).and_then(|needs| needs.get(*next)) else {
                finished.insert(name);
                depth.remove(name);
                trail.pop();
                continue;
            };
            *next += 1;
            let need = *need;
            if need == name || finished.contains(need) || !needs.contains_key(need) {
                continue;
            }
            if let Some(&start) = depth.get(need) {
                found.push(
                    trail
                        .iter()
                        .skip(start)
                        .filter_map(|&(from, next)| {
                            let (to, span) = needs.get(from)?.get(next.checked_sub(1)?)?;
                            Some((from, *to, span.clone()))
                        })
                        .collect(),
                );
            } else {
                depth.insert(need, trail.len());
                trail.push((need, 0));
            }
        }
    }
    found
}
