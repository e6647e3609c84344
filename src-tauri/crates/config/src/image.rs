//! `image = "postgres:17"`.

use crate::walk::{Faults, Node};

/// Reads an image reference, and refuses what no engine could take. Short names stay short: which registry they
/// mean is the engine's matter.
pub(crate) fn read(node: &Node<'_>, faults: &Faults<'_>) -> Option<String> {
    let image = node.text(faults)?;
    let fault = |message: &str, help: String| {
        node.fault(faults, message, help);
        None
    };
    if image.trim().is_empty() {
        return fault("`image` is empty", "write an image, such as \"nginx:1.29\"".to_owned());
    }
    if let Some((_, rest)) = image.split_once("://") {
        return fault(
            "an image isn't a URL",
            format!("write it without the scheme: \"{rest}\""),
        );
    }
    if image.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return fault(
            "an image can't have spaces",
            format!("write \"{}\"", image.split_whitespace().collect::<String>()),
        );
    }
    let (without_digest, _) = image.split_once('@').unwrap_or((image, ""));
    let tag_at = without_digest
        .rfind(':')
        .filter(|&at| !without_digest.get(at..).unwrap_or_default().contains('/'));
    let path = tag_at.and_then(|at| without_digest.get(..at)).unwrap_or(without_digest);
    if tag_at.is_some_and(|at| at + 1 == without_digest.len()) {
        return fault(
            "the image's tag is empty",
            format!("write a tag behind the colon, or \"{path}\""),
        );
    }
    // A registry's host may have capitals, what comes behind it may not.
    let repository = match path.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        _ => path,
    };
    if repository.chars().any(|c| c.is_ascii_uppercase()) {
        return fault(
            "an image's name is in lower case",
            format!("write \"{}\"", image.replace(repository, &repository.to_lowercase())),
        );
    }
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if repository.is_empty()
        || !repository.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !repository.chars().all(letters)
    {
        return fault(
            "this isn't an image's name",
            "write an image, such as \"nginx:1.29\"".to_owned(),
        );
    }
    Some(image.to_owned())
}
