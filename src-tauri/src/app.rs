//! Puts the desktop app together and runs it.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use locald_core::{ServiceId, view::stream::ShowService};
use locald_host::{Host, HostHandle, HostOptions, ShellRequest, config::Folders};
use tauri::{Manager as _, RunEvent, WindowEvent};
use tokio::sync::mpsc;

use crate::{bus, commands, display, managed, shell, start, streams::Streams, tray, window};

/// How long an orderly end may take before the process ends anyway.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// What commands and adapters reach through Tauri's state.
pub(crate) struct Desktop {
    pub host: HostHandle,
    pub streams: Streams,
    /// What the window shows of a service once it is there.
    pub to_show: Mutex<Option<ShowService>>,
    pub bus: bus::Presence,
}

/// Runs until the person quits. `hidden` starts without a window; `service` is one whose log to show.
pub(crate) fn run(hidden: bool, service: Option<ServiceId>) -> Result<ExitCode, String> {
    display::ready()?;
    let folders = Folders::from_env(|name| std::env::var_os(name)).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("locald")
        .enable_all()
        .build()
        .map_err(|error| format!("no threads can be started: {error}"))?;
    tauri::async_runtime::set(runtime.handle().clone());
    let show = (!hidden).then(|| service.clone());
    let lock = match runtime.block_on(start::decide(&folders, show))? {
        start::Start::Host(lock) => lock,
        start::Start::Shown => return Ok(ExitCode::SUCCESS),
    };
    let (requests, inbox) = mpsc::unbounded_channel::<ShellRequest>();
    let options = HostOptions {
        folders,
        lock,
        shell: Some(requests),
    };
    let host = runtime
        .block_on(Host::start(options))
        .map_err(|error| error.to_string())?;
    let handle = host.handle();
    let _inside = runtime.enter();
    let presence = bus::Presence::watch();

    let app = tauri::Builder::default()
        .manage(Desktop {
            host: handle.clone(),
            streams: Streams::default(),
            to_show: Mutex::new(service.map(ShowService::log_of)),
            bus: presence.clone(),
        })
        .invoke_handler(tauri::generate_handler![
            commands::dashboard_subscribe,
            commands::set_services,
            commands::restart_services,
            commands::mute_service,
            commands::move_service,
            managed::catalog,
            managed::add_service,
            managed::remove_service,
            managed::choose,
            managed::connection,
            managed::snapshots,
            managed::save_snapshot,
            managed::restore_snapshot,
            managed::remove_snapshot,
            managed::trash,
            managed::restore_trash,
            managed::empty_trash,
            commands::set_default_engine,
            commands::logs_open,
            commands::logs_close,
            commands::stats_open,
            commands::stats_close,
            commands::open_url,
            commands::copy_text,
            commands::add_project,
            commands::quit,
        ])
        .on_window_event(|window, event| match event {
            WindowEvent::CloseRequested { api, .. } => window::close_requested(window, api),
            WindowEvent::Destroyed => {
                if let Some(desktop) = window.try_state::<Desktop>() {
                    desktop.streams.close_all();
                }
                window::closed(window.app_handle());
            }
            _ => {}
        })
        .build(tauri::generate_context!())
        .map_err(|error| format!("the desktop app can't start: {error}"))?;

    let tray = tray::Tray::new(app.handle().clone(), handle.clone());
    shell::start(app.handle(), handle, tray, presence, inbox);
    end_on_signals(app.handle());
    if !hidden {
        window::show(app.handle(), None);
    }
    // Held until Tauri has ended its loop, and dropped before the process ends, which removes the socket.
    let host = Arc::new(Mutex::new(Some(host)));
    app.run(move |_, event| match event {
        // The last window was closed: the tray stays.
        RunEvent::ExitRequested { code: None, api, .. } => api.prevent_exit(),
        RunEvent::ExitRequested { .. } => guard_end(),
        RunEvent::Exit => {
            tracing::info!("ends; services stay as they are");
            tray::remove();
            if let Ok(mut host) = host.lock() {
                host.take();
            }
        }
        _ => {}
    });
    Ok(ExitCode::SUCCESS)
}

/// SIGTERM and SIGINT end the app as *Quit* does.
fn end_on_signals(app: &tauri::AppHandle) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let app = app.clone();
            tokio::spawn(async move {
                match signal(kind) {
                    Ok(mut signals) => {
                        signals.recv().await;
                        quit(&app);
                    }
                    Err(error) => tracing::warn!(%error, "signals can't be received"),
                }
            });
        }
    }
    #[cfg(not(unix))]
    let _ = app;
}

/// Ends the app; services stay as they are.
pub(crate) fn quit(app: &tauri::AppHandle) {
    guard_end();
    app.exit(0);
}

/// A desktop that hangs (a bus, a web view) must not keep the app from ending.
fn guard_end() {
    std::thread::spawn(|| {
        std::thread::sleep(END_TIMEOUT);
        tracing::warn!("did not end in time");
        std::process::exit(0);
    });
}
