//! The word for an engine: its id or its family, as `locald engines` shows them.

use crate::walk::{Faults, Node};

/// Reads the word. Whether there is such an engine only shows on the machine, and changes.
pub(crate) fn read<'d>(node: &Node<'d>, faults: &Faults<'_>) -> Option<&'d str> {
    let word = node.text(faults)?;
    let sound = |word: &str| {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.+:@".contains(c);
        !word.is_empty() && word.chars().all(fits)
    };
    if sound(word) {
        return Some(word);
    }
    let lower = word.trim().to_lowercase();
    let help = if sound(&lower) {
        format!("write \"{lower}\"")
    } else {
        "write what `locald engines` calls it, such as \"docker\" or \"podman\"".to_owned()
    };
    node.fault(faults, format!("`{word}` isn't the name of an engine"), help);
    None
}
