//! `depends_on`: which service needs which, and what goes wrong with that: unknown ones, itself, and circles.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use locald_core::spec::DependencyCondition;

use crate::{
    errors::Found,
    walk::{Faults, Kind, Node, suggest},
};

/// A service that another one needs.
pub(crate) struct Need<'d> {
    /// Its name.
    pub(crate) name: &'d str,
    /// What it has to have come to.
    pub(crate) condition: DependencyCondition,
    /// The place that names it.
    span: Range<usize>,
    /// The place that says what it has to have come to.
    condition_span: Range<usize>,
}

/// A service's needs.
pub(crate) type Needs<'d> = Vec<Need<'d>>;

impl<'d> Need<'d> {
    /// One that is named without a condition.
    pub(crate) fn implied(name: &'d str, span: Range<usize>) -> Self {
        Self {
            name,
            condition: DependencyCondition::Healthy,
            condition_span: span.clone(),
            span,
        }
    }
}

const CONDITIONS: [(&str, DependencyCondition); 3] = [
    ("healthy", DependencyCondition::Healthy),
    ("running", DependencyCondition::Running),
    ("completed", DependencyCondition::Completed),
];

/// What compose calls the same.
const COMPOSE_CONDITIONS: [(&str, &str); 3] = [
    ("service_healthy", "healthy"),
    ("service_started", "running"),
    ("service_completed_successfully", "completed"),
];

/// Reads a list of services, or a table of services and what each has to have come to.
pub(crate) fn read<'d>(node: &Node<'d>, faults: &Faults<'_>) -> Needs<'d> {
    match node.kind {
        Kind::Table(_) => {
            let Some(section) = node.table(faults) else {
                return Needs::new();
            };
            section
                .entries()
                .map(|(name, span, node)| {
                    // A fault is noted then; the name still counts, so that what is wrong with it is told too.
                    let condition = condition(name, &node, faults).unwrap_or_default();
                    Need {
                        name,
                        condition,
                        span,
                        condition_span: node.span,
                    }
                })
                .collect()
        }
        _ => node
            .texts(faults)
            .unwrap_or_default()
            .into_iter()
            .map(|(name, span)| Need::implied(name, span))
            .collect(),
    }
}

fn condition(name: &str, node: &Node<'_>, faults: &Faults<'_>) -> Option<DependencyCondition> {
    let text = match node.kind {
        Kind::Text(_) => node.text(faults)?,
        _ => {
            let key = toml_edit::Key::new(name);
            let compose = match node.kind {
                Kind::Table(table) => table.get("condition").and_then(toml_edit::Item::as_str),
                _ => None,
            };
            let word = compose.and_then(of_compose).unwrap_or("healthy");
            let help = format!("write {key} = \"{word}\"", key = key.display_repr());
            node.expected(faults, "a string", Some(help));
            return None;
        }
    };
    let known = CONDITIONS.iter().find(|(word, _)| *word == text);
    if known.is_none() {
        let help = match of_compose(text) {
            Some(word) => format!("write \"{word}\""),
            None => suggest(text, CONDITIONS.iter().map(|(word, _)| *word), "use one of"),
        };
        let message = format!("`{text}` isn't something to wait for");
        faults.push(Found::new(node.span.clone(), message).help(help));
    }
    known.map(|(_, condition)| *condition)
}

fn of_compose(word: &str) -> Option<&'static str> {
    COMPOSE_CONDITIONS
        .iter()
        .find(|(compose, _)| *compose == word)
        .map(|(_, word)| *word)
}

/// Notes each wait for the completion of a service that never completes. `restarted` tells where a service says that
/// it is always started again.
pub(crate) fn check_completed(
    services: &[(&str, &Needs<'_>)],
    restarted: impl Fn(&str) -> Option<Range<usize>>,
    faults: &Faults<'_>,
) {
    for (name, needs) in services {
        for need in *needs {
            if need.condition == DependencyCondition::Completed
                && let Some(span) = restarted(need.name)
            {
                let need_name = need.name;
                let message = format!(
                    "`{name}` waits until `{need_name}` has completed, which it never does: it is always restarted"
                );
                let help = format!("write restart = \"on-failure\" for `{need_name}`, or wait until it is \"healthy\"");
                let fault = Found::new(need.condition_span.clone(), message).help(help);
                faults.push(fault.also(span, format!("`{need_name}` is always restarted")));
            }
        }
    }
}

/// Notes each need that can't be met. `services` are all of the file, in its order.
pub(crate) fn check(services: &[(&str, &Needs<'_>)], faults: &Faults<'_>) {
    let known: BTreeSet<_> = services.iter().map(|(name, _)| *name).collect();
    for (name, needs) in services {
        for Need { name: need, span, .. } in *needs {
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
            let Some(Need { name: need, .. }) = needs.get(name).and_then(|needs| needs.get(*next)) else {
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
                            let need = needs.get(from)?.get(next.checked_sub(1)?)?;
                            Some((from, need.name, need.span.clone()))
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
