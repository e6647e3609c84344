//! Text of strangers made fit to be shown.

/// Characters of a log line that a notification shows.
const LINE_LIMIT: usize = 200;

/// Text of a stranger's as one short plain line: without escape sequences, control characters and line breaks.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut clean = String::new();
    let mut length = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let kept = match c {
            '\u{1b}' => {
                skip_escape(&mut chars);
                continue;
            }
            '\t' => ' ',
            // Two lines in one are told apart.
            '\n' | '\u{2028}' | '\u{2029}' if clean.is_empty() || clean.ends_with(' ') => continue,
            '\n' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() || is_direction_mark(c) => continue,
            c => c,
        };
        if length == LINE_LIMIT {
            clean.push('…');
            return clean;
        }
        clean.push(kept);
        length += 1;
    }
    clean
}

/// Marks that turn the direction of text could make a notification read otherwise than it is.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// ECMA-48: `ESC [` runs to a byte from `@` to `~`; `ESC ]` to BEL or `ESC \`; others are one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            while let Some(&c) = chars.peek() {
                if !c.is_ascii() || c.is_control() {
                    break;
                }
                chars.next();
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
        Some(']') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' {
                    break;
                }
                if c == '\u{1b}' {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        _ => {}
    }
}
