//! Keeps tray and notifications in step with the picture, and carries out what clients ask of the desktop.

use std::{sync::Arc, time::Duration};

use locald_core::{
    Snapshot,
    view::{
        notification::{NotificationChange, notifications},
        tray_menu::TrayMenu,
    },
};
use locald_host::{HostHandle, ShellRequest};
use tauri::AppHandle;
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::Instant,
};

use crate::{bus::Presence, notify, tray::Tray, window};

/// At most two menus a second: one that is open must not be rebuilt under the pointer all the time.
const TRAY_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) fn start(
    app: &AppHandle,
    host: HostHandle,
    tray: Tray,
    presence: Presence,
    mut requests: mpsc::UnboundedReceiver<ShellRequest>,
) {
    let opened = app.clone();
    tokio::spawn(async move {
        while let Some(ShellRequest::Show { service }) = requests.recv().await {
            window::show(&opened, service);
        }
    });
    if host.notifications().enabled {
        tokio::spawn(tell(app.clone(), host.clone()));
    }
    tokio::spawn(show_tray(host, tray, presence));
}

/// Passes on what notifications the steps call for.
async fn tell(app: AppHandle, host: HostHandle) {
    let notifier = notify::start(app, host.clone());
    let mut steps = host.steps();
    let mut last = host.snapshot();
    loop {
        let (previous, next) = match steps.recv().await {
            Ok(step) => (step.previous, step.next),
            Err(RecvError::Lagged(_)) => (Arc::clone(&last), host.snapshot()),
            Err(RecvError::Closed) => return,
        };
        if next.seq <= last.seq {
            continue;
        }
        for change in notifications(&previous, &next) {
            // A full queue means a desktop that doesn't answer; the dashboard has it all the same.
            match &change {
                NotificationChange::Show(notification) => tracing::info!("{}", notification.summary),
                NotificationChange::Close(_) => {}
            }
            if notifier.try_send(change).is_err() {
                tracing::warn!("a notification was dropped");
            }
        }
        last = next;
    }
}

async fn show_tray(host: HostHandle, tray: Tray, presence: Presence) {
    let mut snapshots = host.snapshots();
    let mut presences = presence.changes();
    let mut shown: Option<TrayMenu> = None;
    let mut tray_fault: Option<String> = None;
    let mut next_at = Instant::now();
    loop {
        let snapshot: Arc<Snapshot> = snapshots.borrow_and_update().clone();
        let menu = TrayMenu::of(&snapshot);
        if shown.as_ref() != Some(&menu) {
            match tray.render(menu.clone()).await {
                Ok(()) => {
                    shown = Some(menu);
                    tray_fault = None;
                }
                Err(error) => {
                    if tray_fault.is_none() {
                        tracing::warn!("no tray: {error}");
                    }
                    tray_fault = Some(error);
                    shown = Some(menu);
                }
            }
            next_at = Instant::now() + TRAY_INTERVAL;
        }
        let notices = presences.borrow_and_update().notices();
        let own: Vec<String> = snapshot
            .notices
            .iter()
            .filter(|notice| !Presence::is_own(notice))
            .cloned()
            .collect();
        let all: Vec<String> = own.into_iter().chain(notices).collect();
        if all != snapshot.notices {
            host.set_notices(all);
        }
        tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            _ = presences.changed() => {}
            // The platform flipped the check mark by itself: show what is true.
            () = tray.clicked() => {
                shown = None;
                continue;
            }
        }
        tokio::select! {
            () = tokio::time::sleep_until(next_at) => {}
            () = tray.clicked() => shown = None,
        }
    }
}
