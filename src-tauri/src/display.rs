//! What the display needs before anything is shown on it.

/// Readies the display, or says what is missing.
#[cfg(target_os = "linux")]
pub(crate) fn ready() -> Result<(), String> {
    use std::os::unix::process::CommandExt as _;

    // WebKitGTK shows a blank window where it means to share buffers with a GPU and there is none (a virtual display, some
    // virtual machines). It reads the variable at its own start, and setting one within a process is unsafe, so the
    // program starts itself once more.
    const DMABUF: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
    if std::env::var_os(DMABUF).is_none()
        && !render_node_exists()
        && let Ok(program) = std::env::current_exe()
    {
        tracing::debug!("no GPU: {DMABUF}=1");
        let error = std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .env(DMABUF, "1")
            .exec();
        tracing::warn!(%error, "not started again with {DMABUF}=1");
    }
    // Tauri would panic.
    gtk::init()
        .map_err(|_| "there is no display to show a window or a tray on; `locald host` runs without one".to_owned())
}

#[cfg(target_os = "linux")]
fn render_node_exists() -> bool {
    std::fs::read_dir("/dev/dri").is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("renderD"))
    })
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn ready() -> Result<(), String> {
    Ok(())
}

/// Writes text to the clipboard. On the main thread only.
#[cfg(target_os = "linux")]
pub(crate) fn copy(text: &str) {
    gtk::Clipboard::get(&gtk::gdk::SELECTION_CLIPBOARD).set_text(text);
}

/// The web view's own clipboard works here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn copy(_text: &str) {}

/// WebKit aborts the whole app when a process that it is just starting ends. One is up within a fraction of a second; it
/// is left alone for this long after its window closed.
pub(crate) const NETWORK_PROCESS_SETTLES: std::time::Duration = std::time::Duration::from_secs(5);

/// Ends WebKit's network process, which by itself stays for good once a window was open (tauri#14626). WebKit starts
/// another with the next window.
#[cfg(target_os = "linux")]
pub(crate) fn end_network_process() {
    let own = rustix::process::getpid();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // proc_pid_stat(5): pid (comm) state ppid …; comm may contain anything but is cut after 15 bytes.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((name, rest)) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')) else {
            continue;
        };
        let parent = rest
            .split_whitespace()
            .nth(1)
            .and_then(|parent| parent.parse::<i32>().ok());
        // Its number can't be another process's by now: it is our child and not waited for yet.
        if name == "WebKitNetworkPr"
            && parent == Some(own.as_raw_nonzero().get())
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
            && let Err(error) = rustix::process::kill_process(pid, rustix::process::Signal::TERM)
        {
            tracing::warn!(%error, "WebKit's network process stays");
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn end_network_process() {}
