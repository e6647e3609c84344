//! Columns, and values in few characters.

use jiff::{SignedDuration, Timestamp};

use super::DIM;

/// `12 s`, `5 min`, `3 h`, `2 d`; never negative, whatever the clocks say.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).max(SignedDuration::ZERO).as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

/// Columns as wide as their widest cell, two spaces apart; the last one is free. Cells are of characters one column wide.
pub(super) fn table<const N: usize>(
    head: &[&str; N],
    rows: &[[String; N]],
    style: impl Fn(usize, usize, &str) -> String,
) -> String {
    let width = |cell: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(cell))
            .map(|text| text.chars().count());
        cells.chain(head.get(cell).map(|text| text.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let pad = |cell: usize, text: &str| {
        let missing = widths
            .get(cell)
            .copied()
            .unwrap_or(0)
            .saturating_sub(text.chars().count());
        if cell + 1 == N {
            String::new()
        } else {
            " ".repeat(missing + 2)
        }
    };
    let mut out = String::new();
    for (cell, text) in head.iter().enumerate() {
        out += &format!("{DIM}{text}{DIM:#}{}", pad(cell, text));
    }
    out.push('\n');
    for (at, row) in rows.iter().enumerate() {
        for (cell, text) in row.iter().enumerate() {
            out += &style(at, cell, text);
            out += &pad(cell, text);
        }
        out.push('\n');
    }
    out
}

/// `12 kB`, `3.4 GB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // A decimal of three digits needs no more exactness than that.
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let unit = UNITS.get(unit).copied().unwrap_or_default();
    if value < 9.95 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ages_are_short_and_never_negative() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-01-02T00:00:00Z");
        for (since, expected) in [
            ("2026-01-01T23:59:48Z", "12 s"),
            ("2026-01-01T23:55:00Z", "5 min"),
            ("2026-01-01T21:00:00Z", "3 h"),
            ("2025-12-31T00:00:00Z", "2 d"),
            ("2026-01-02T08:00:00Z", "0 s"),
        ] {
            assert_eq!(age(at(since), now), expected);
        }
    }

    #[test]
    fn columns_line_up() {
        let rows = [
            ["shop/db".to_owned(), "●".to_owned()],
            ["a/b".to_owned(), "○".to_owned()],
        ];
        let text = anstream::adapter::strip_str(&table(&["SERVICE", "STATE"], &rows, |_, _, text| text.to_owned()))
            .to_string();
        assert_eq!(text, "SERVICE  STATE\nshop/db  ●\na/b      ○\n");
    }

    #[test]
    fn sizes_have_two_or_three_digits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (48_200_000, "48 MB"),
            (3_400_000_000, "3.4 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
