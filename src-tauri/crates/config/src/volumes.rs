//! `volumes = ["data:/var/lib/data", "./conf:/etc/conf:ro"]`.

use std::{
    collections::HashMap,
    ops::Range,
    path::{Component, Path, PathBuf},
};

use locald_core::spec::{VolumeMount, VolumeSource};

use crate::{
    errors::Found,
    project::ParseContext,
    walk::{Faults, Node},
};

const FORMS: &str =
    "write \"name:/path\" for a volume or \"./folder:/path\" for a folder, with \":ro\" behind it to forbid writing";

/// Reads the list; `None` when an element is at fault.
pub(crate) fn read(node: &Node<'_>, faults: &Faults<'_>, context: &ParseContext) -> Option<Vec<VolumeMount>> {
    let mut targets: HashMap<String, Range<usize>> = HashMap::new();
    let mut mounts = Vec::new();
    let texts = node.texts(faults)?;
    let count = texts.len();
    for (text, span) in texts {
        match parse(text, context, cfg!(windows)) {
            Ok(mount) => {
                if let Some(first) = targets.insert(mount.target.clone(), span.clone()) {
                    let message = format!("two mounts at `{}`", mount.target);
                    faults.push(
                        Found::new(span, message)
                            .help("give one of them another path")
                            .also(first, "the first"),
                    );
                }
                mounts.push(mount);
            }
            Err((message, help)) => faults.push(Found::new(span, message).help(help)),
        }
    }
    (mounts.len() == count).then_some(mounts)
}

fn parse(text: &str, context: &ParseContext, windows: bool) -> Result<VolumeMount, (String, String)> {
    let forms = |message: String| (message, FORMS.to_owned());
    let drive = is_drive(text);
    if drive && !windows {
        return Err((
            "a path with a drive letter only exists on Windows".to_owned(),
            "write a path of this machine".to_owned(),
        ));
    }
    // The colon behind a drive letter doesn't separate.
    let skip = if drive { 2 } else { 0 };
    let mut parts = text.get(skip..).unwrap_or_default().split(':');
    let source = text
        .get(..skip + parts.next().unwrap_or_default().len())
        .unwrap_or_default();
    let (target, options) = match (parts.next(), parts.next(), parts.next()) {
        (Some(target), options, None) => (target, options),
        (None, ..) if text.starts_with('/') => {
            return Err((
                format!("`{text}` has no name before the path"),
                format!("write \"name:{text}\", so that its content is kept"),
            ));
        }
        _ => return Err(forms(format!("`{text}` isn't a mount"))),
    };
    if !target.starts_with('/') {
        return Err(forms(format!(
            "the path inside the container, `{target}`, doesn't begin with `/`"
        )));
    }
    if target.trim_end_matches('/').is_empty() {
        return Err(forms("nothing can be mounted at `/`".to_owned()));
    }
    let read_only = match options {
        None | Some("rw") => false,
        Some("ro") => true,
        Some(other) => {
            return Err((
                format!("`{other}` isn't an option of a mount"),
                "write `ro` or `rw`".to_owned(),
            ));
        }
    };
    let source = source_of(source, context, drive)?;
    Ok(VolumeMount {
        source,
        target: target.to_owned(),
        read_only,
    })
}

fn source_of(source: &str, context: &ParseContext, drive: bool) -> Result<VolumeSource, (String, String)> {
    let path = if source == "~" || source.starts_with("~/") {
        let Some(home) = &context.home else {
            return Err((
                "`~` stands for nothing, since HOME isn't set".to_owned(),
                "write the whole path".to_owned(),
            ));
        };
        home.join(source.trim_start_matches('~').trim_start_matches('/'))
    } else if source.starts_with('~') {
        return Err((
            format!("`{source}`: the home folder of another user isn't looked up"),
            "write the whole path".to_owned(),
        ));
    } else if drive || source.starts_with('/') {
        PathBuf::from(source)
    } else if source == "." || source == ".." || source.starts_with("./") || source.starts_with("../") {
        context.folder.join(source)
    } else if source.contains(['/', '\\']) {
        return Err((
            format!("`{source}` is neither a volume's name nor a path"),
            format!("write \"./{source}\" for a folder beside the file"),
        ));
    } else {
        let mut letters = source.chars();
        let begins = letters.next().is_some_and(|c| c.is_ascii_alphanumeric());
        if !begins || !letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
            return Err((
                format!("`{source}` can't be a volume's name"),
                "use letters, digits, `-`, `_` and `.`, and begin with a letter or digit".to_owned(),
            ));
        }
        return Ok(VolumeSource::Named {
            name: source.to_owned(),
        });
    };
    let path = clean(&path);
    if path.to_str().is_none() {
        return Err((
            format!(
                "`{source}` stands for {}, which isn't UTF-8; an engine can't be told such a path",
                path.display()
            ),
            "rename the folder, or write the path of another".to_owned(),
        ));
    }
    Ok(VolumeSource::Path { path })
}

/// Takes `.` and `..` out by the letter, as other tools of the field do, so that messages and the spec's hash
/// don't depend on how the path was written.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

fn is_drive(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Not `C:/`: that is a volume called C, mounted somewhere below the root. With a second colon it's a path.
    matches!(bytes, [letter, b':', b'\\', ..] if letter.is_ascii_alphabetic())
        || (matches!(bytes, [letter, b':', b'/', ..] if letter.is_ascii_alphabetic()) && text.matches(":/").count() > 1)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn context() -> ParseContext {
        ParseContext {
            folder: "/p/shop".into(),
            home: Some("/home/u".into()),
            personal: false,
        }
    }

    #[test]
    fn sources_resolve_against_home_and_the_file() {
        for (text, path) in [
            ("~/d:/d", "/home/u/d"),
            ("~:/d", "/home/u"),
            ("./d:/d", "/p/shop/d"),
            (".:/d", "/p/shop"),
            ("../d:/d", "/p/d"),
            ("/abs/./x:/d", "/abs/x"),
            ("./a b ü:/d", "/p/shop/a b ü"),
        ] {
            let mount = parse(text, &context(), false).unwrap();
            assert_eq!(mount.source, VolumeSource::Path { path: path.into() }, "{text}");
            assert_eq!(mount.target, "/d");
        }
        let named = parse("data:/d:ro", &context(), false).unwrap();
        assert_eq!(named.source, VolumeSource::Named { name: "data".into() });
        assert!(named.read_only);
    }

    #[test]
    fn a_drive_letter_is_a_path_on_windows_and_refused_elsewhere() {
        let mount = parse(r"C:\d:/d:ro", &context(), true).unwrap();
        assert!(matches!(mount.source, VolumeSource::Path { .. }));
        assert!(mount.read_only);
        assert!(parse(r"C:\d:/d", &context(), false).unwrap_err().0.contains("Windows"));
        assert_eq!(
            parse("c:/d", &context(), false).unwrap().source,
            VolumeSource::Named { name: "c".into() }
        );
    }

    #[test]
    fn without_a_home_a_tilde_is_refused() {
        let context = ParseContext {
            home: None,
            ..context()
        };
        assert!(parse("~/d:/d", &context, false).unwrap_err().0.contains("HOME"));
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_that_isnt_utf8_is_refused_with_a_reason() {
        use std::os::unix::ffi::OsStrExt;
        let folder = PathBuf::from(std::ffi::OsStr::from_bytes(b"/p/\xff"));
        let context = ParseContext { folder, ..context() };
        assert!(parse("./d:/d", &context, false).unwrap_err().0.contains("UTF-8"));
        assert!(parse("data:/d", &context, false).is_ok());
    }
}
