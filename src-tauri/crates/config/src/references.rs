//! `${services.db.host}` in the environment.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    errors::Found,
    ports::Port,
    walk::{Faults, suggest},
};

const OPENING: &str = "${services.";
const FIELDS: [&str; 2] = ["host", "port"];

/// What may be referenced: each service's name and its ports (`None` when those are at fault themselves).
pub(crate) type Targets<'d> = BTreeMap<&'d str, Option<Vec<Port>>>;

/// Puts in what the references stand for, as seen from another container of the project: a service's name and the
/// port inside it. `depends` is called for each service referred to. `$$` stands for one `$`; any other `$` stays.
pub(crate) fn resolve<'t>(
    value: &'t str,
    span: &Range<usize>,
    targets: &Targets<'_>,
    faults: &Faults<'_>,
    mut depends: impl FnMut(&'t str, Range<usize>),
) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    let mut sound = true;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = from.strip_prefix("$$") {
            out.push('$');
            rest = after;
        } else if let Some(after) = from.strip_prefix(OPENING) {
            let Some((inner, after)) = after.split_once('}') else {
                let message = "a reference isn't closed";
                faults.push(
                    Found::new(faults.narrow(span, OPENING), message).help("add `}`, or write `$$` for a plain `$`"),
                );
                return None;
            };
            let span = faults.narrow(span, &format!("{OPENING}{inner}}}"));
            match look_up(inner, &span, targets, faults) {
                Some((service, resolved)) => {
                    out.push_str(&resolved);
                    depends(service, span);
                }
                None => sound = false,
            }
            rest = after;
        } else {
            out.push('$');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    sound.then_some(out)
}

fn look_up<'t>(
    inner: &'t str,
    span: &Range<usize>,
    targets: &Targets<'_>,
    faults: &Faults<'_>,
) -> Option<(&'t str, String)> {
    // A service's name may have dots, a field may not.
    let Some((service, field)) = inner.rsplit_once('.') else {
        let help = format!("write ${{services.{inner}.host}} or ${{services.{inner}.port}}");
        faults.push(Found::new(span.clone(), "a reference needs a field").help(help));
        return None;
    };
    let Some(ports) = targets.get(service) else {
        let help = suggest(service, targets.keys().copied(), "services of this file");
        faults.push(Found::new(span.clone(), format!("there is no service `{service}`")).help(help));
        return None;
    };
    match field {
        "host" => Some((service, service.to_owned())),
        "port" => {
            let Some((first, _)) = ports.as_ref()?.first() else {
                let help = format!("add `ports` to `services.{service}`, or write the number");
                faults.push(Found::new(span.clone(), format!("`{service}` declares no port")).help(help));
                return None;
            };
            Some((service, first.port.to_string()))
        }
        _ => {
            let message = format!("`{field}` of a container can't be referenced");
            faults.push(Found::new(span.clone(), message).help(suggest(field, FIELDS.into_iter(), "use one of")));
            None
        }
    }
}
