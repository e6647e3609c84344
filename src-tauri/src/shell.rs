//! Keeps tray and notifications in step with the picture, and carries out what clients ask of the desktop.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use locald_core::{
    Snapshot,
    view::{
        notification::{NotificationChange, Outbox, notifications},
        stream::ShowService,
        tray_menu::TrayMenu,
    },
};
use locald_host::{HostHandle, ShellRequest};
use tauri::AppHandle;
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::Instant,
};

use crate::{bus::Presence, notify::Desk, tray::Tray, window};

/// At most two menus a second: one that is open must not be rebuilt under the pointer all the time.
const TRAY_INTERVAL: Duration = Duration::from_millis(500);

/// How long a wait lasts at most before the clock is looked at again.
const A_WHILE: Duration = Duration::from_secs(10);

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
            window::show(&opened, service.map(ShowService::log_of));
        }
    });
    if host.notifications().enabled {
        tokio::spawn(tell(app.clone(), host.clone()));
    }
    tokio::spawn(show_tray(host, tray, presence));
}

/// Passes on what notifications the steps call for, each when it is due.
async fn tell(app: AppHandle, host: HostHandle) {
    let (desk, mut dismissed) = Desk::start(app, host.clone());
    let mut outbox = Outbox::new(host.notifications().external);
    let mut steps = host.steps();
    let mut last = host.snapshot();
    loop {
        tokio::select! {
            step = steps.recv() => {
                let (previous, next) = match step {
                    Ok(step) => (step.previous, step.next),
                    Err(RecvError::Lagged(_)) => (Arc::clone(&last), host.snapshot()),
                    Err(RecvError::Closed) => return,
                };
                if next.seq > last.seq {
                    outbox.push(Timestamp::now(), notifications(&previous, &next));
                    last = next;
                }
            }
            Some(subject) = dismissed.recv() => outbox.dismissed(&subject),
            () = until(outbox.next_due()) => {}
        }
        for change in outbox.due(Timestamp::now()) {
            if let NotificationChange::Show(notification) = &change {
                tracing::info!("{}", notification.summary);
            }
            desk.put(change);
        }
    }
}

/// Waits until a time of the wall clock, or for a while: the clock may be set.
async fn until(due: Option<Timestamp>) {
    match due {
        Some(due) => {
            let left = Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default();
            tokio::time::sleep(left.min(A_WHILE)).await;
        }
        None => std::future::pending().await,
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
