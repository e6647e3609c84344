//! Durations and sizes as people write them.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use parse_size::Config;

use crate::walk::{Faults, Kind, Node};

/// Nothing locald waits for takes longer, and a deadline that far ahead can't overflow a clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

const EXAMPLES: &str = "write a number with a unit, such as \"500ms\", \"2s\" or \"1m30s\"";

/// A duration such as `"1m30s"`, at least `shortest`.
pub(crate) fn duration(node: &Node<'_>, faults: &Faults<'_>, shortest: Duration) -> Option<Duration> {
    let text = match node.kind {
        Kind::Integer(_) | Kind::Float(_) => {
            let raw = faults.raw(&node.span);
            node.expected(
                faults,
                "a duration",
                Some(format!(
                    "write the unit: \"{raw}s\" for seconds, \"{raw}ms\" for milliseconds"
                )),
            );
            return None;
        }
        Kind::Text(_) => node.text(faults)?,
        _ => {
            node.expected(faults, "a duration", Some(EXAMPLES.to_owned()));
            return None;
        }
    };
    let Ok(duration) = SpanParser::new().parse_unsigned_duration(text.trim()) else {
        let help = match text.trim().parse::<f64>() {
            Ok(_) => format!(
                "write the unit: \"{0}s\" for seconds, \"{0}ms\" for milliseconds",
                text.trim()
            ),
            Err(_) => EXAMPLES.to_owned(),
        };
        node.fault(faults, format!("`{}`: \"{text}\" isn't a duration", node.name), help);
        return None;
    };
    if duration < shortest {
        node.fault(
            faults,
            format!("`{}` can't be \"{text}\"", node.name),
            format!("write at least \"{shortest:?}\""),
        );
        return None;
    }
    if duration > LONGEST {
        node.fault(
            faults,
            format!("`{}` can't be \"{text}\"", node.name),
            "write at most \"24h\"",
        );
        return None;
    }
    Some(duration)
}

/// A size such as `"512m"`, in bytes; k, m and g count in steps of 1024, as they do with container engines.
pub(crate) fn bytes(node: &Node<'_>, faults: &Faults<'_>) -> Option<u64> {
    const EXAMPLES: &str = "write a number with a unit, such as \"512m\" or \"2g\"";
    let text = match node.kind {
        Kind::Integer(_) | Kind::Float(_) => {
            let raw = faults.raw(&node.span);
            node.expected(
                faults,
                "a size",
                Some(format!("write the unit: \"{raw}m\" for MiB, \"{raw}b\" for bytes")),
            );
            return None;
        }
        Kind::Text(_) => node.text(faults)?,
        _ => {
            node.expected(faults, "a size", Some(EXAMPLES.to_owned()));
            return None;
        }
    };
    match Config::new().with_binary().parse_size(text.trim()) {
        // Engines take the limit as a signed number.
        Ok(bytes) if bytes > 0 && i64::try_from(bytes).is_ok() => Some(bytes),
        Ok(_) => {
            node.fault(faults, format!("`{}` can't be \"{text}\"", node.name), EXAMPLES);
            None
        }
        Err(_) => {
            node.fault(faults, format!("`{}`: \"{text}\" isn't a size", node.name), EXAMPLES);
            None
        }
    }
}

/// Cores such as `1.5`, in thousandths.
pub(crate) fn cpus(node: &Node<'_>, faults: &Faults<'_>) -> Option<u64> {
    #[expect(clippy::cast_precision_loss, reason = "numbers that large are refused below")]
    let cores = match node.kind {
        Kind::Integer(number) => number as f64,
        Kind::Float(number) => number,
        Kind::Text(text) if text.trim().parse::<f64>().is_ok() => {
            node.expected(
                faults,
                "a number",
                Some(format!("write it without quotes: {}", text.trim())),
            );
            return None;
        }
        _ => {
            node.expected(
                faults,
                "a number",
                Some("write the number of cores, such as 1.5".to_owned()),
            );
            return None;
        }
    };
    if !(0.01..=4096.0).contains(&cores) {
        let raw = faults.raw(&node.span);
        node.fault(
            faults,
            format!("`{}` can't be {raw}", node.name),
            "write the number of cores, at least 0.01",
        );
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 10 and 4096000, see above"
    )]
    Some((cores * 1000.0).round() as u64)
}
