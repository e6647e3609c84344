//! Renders [`TrayMenu`] values to the tray, and turns clicks into commands. Decides nothing.

use std::{cell::RefCell, str::FromStr as _, sync::Arc};

use locald_core::{
    Command, ServiceId,
    view::{
        stream::ShowService,
        tray_menu::{MenuAction, MenuEntry, TrayIcon as IconKind, TrayMenu},
    },
};
use locald_host::HostHandle;
use tauri::AppHandle;
use tray_icon::{
    Icon, MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent,
    menu::{CheckMenuItem, IsMenuItem, Menu, MenuEvent, MenuItem, PredefinedMenuItem, Submenu},
};

use crate::{app, window};

const ID: &str = "locald";
const SERVICE_PREFIX: &str = "service:";

thread_local! {
    /// A tray belongs to the main thread: its menu is not `Send`.
    static SHOWN: RefCell<Option<Shown>> = const { RefCell::new(None) };
}

struct Shown {
    tray: TrayIcon,
    icon: IconKind,
    tooltip: String,
}

/// The tray, from any thread.
#[derive(Clone)]
pub(crate) struct Tray {
    app: AppHandle,
    /// Told after each click, since the platform has flipped a check mark by then on its own.
    clicked: Arc<tokio::sync::Notify>,
}

impl Tray {
    /// Listens for clicks. Nothing is shown before the first [`Self::render`].
    pub(crate) fn new(app: AppHandle, host: HostHandle) -> Self {
        let clicked = Arc::new(tokio::sync::Notify::new());
        let notify = Arc::clone(&clicked);
        // Tauri handles the events of its own muda; tray-icon's is a newer one with a handler of its own. The click
        // comes on the bus's thread and goes to the supervisor from there, without a turn of the main loop.
        let clicked_app = app.clone();
        MenuEvent::set_event_handler(Some(move |event: MenuEvent| {
            menu_clicked(&clicked_app, &host, event.id().as_ref());
            notify.notify_one();
        }));
        let to_open = app.clone();
        TrayIconEvent::set_event_handler(Some(move |event| {
            if let TrayIconEvent::Click {
                button: MouseButton::Left,
                button_state: MouseButtonState::Up,
                ..
            } = event
            {
                window::show(&to_open, None);
            }
        }));
        Self { app, clicked }
    }

    /// Waits for the next click on a menu item.
    pub(crate) async fn clicked(&self) {
        self.clicked.notified().await;
    }

    /// Shows this. Answers once it is done, with what keeps the tray from being shown.
    pub(crate) async fn render(&self, menu: TrayMenu) -> Result<(), String> {
        let (done, result) = tokio::sync::oneshot::channel();
        self.app
            .run_on_main_thread(move || {
                let _ = done.send(render(&menu));
            })
            .map_err(|error| error.to_string())?;
        result.await.map_err(|_| "the app ends".to_owned())?
    }
}

fn render(menu: &TrayMenu) -> Result<(), String> {
    let built = build(&menu.entries).map_err(|error| error.to_string())?;
    SHOWN.with_borrow_mut(|shown| match shown {
        Some(shown) => {
            shown.tray.set_menu(Some(Box::new(built)));
            if shown.icon != menu.icon {
                shown
                    .tray
                    .set_icon(Some(icon(menu.icon)?))
                    .map_err(|error| error.to_string())?;
                shown.icon = menu.icon;
            }
            if shown.tooltip != menu.tooltip {
                shown
                    .tray
                    .set_tooltip(Some(&menu.tooltip))
                    .map_err(|error| error.to_string())?;
                shown.tooltip.clone_from(&menu.tooltip);
            }
            Ok(())
        }
        None => {
            let tray = TrayIconBuilder::new()
                .with_id(ID)
                .with_title("locald")
                .with_tooltip(&menu.tooltip)
                .with_icon(icon(menu.icon)?)
                .with_menu(Box::new(built))
                .build()
                .map_err(|error| error.to_string())?;
            *shown = Some(Shown {
                tray,
                icon: menu.icon,
                tooltip: menu.tooltip.clone(),
            });
            Ok(())
        }
    })
}

fn build(entries: &[MenuEntry]) -> Result<Menu, tray_icon::menu::Error> {
    let menu = Menu::new();
    for entry in entries {
        menu.append(item(entry)?.as_ref())?;
    }
    Ok(menu)
}

fn item(entry: &MenuEntry) -> Result<Box<dyn IsMenuItem>, tray_icon::menu::Error> {
    // An ampersand marks a mnemonic in muda; a doubled one is an ampersand.
    let text = |label: &str| label.replace('&', "&&");
    Ok(match entry {
        MenuEntry::Heading(label) => Box::new(MenuItem::new(text(label), false, None)),
        MenuEntry::Separator => Box::new(PredefinedMenuItem::separator()),
        MenuEntry::Service { id, label, checked } => Box::new(CheckMenuItem::with_id(
            format!("{SERVICE_PREFIX}{id}"),
            text(label),
            true,
            *checked,
            None,
        )),
        MenuEntry::Submenu { label, entries } => {
            let submenu = Submenu::new(text(label), true);
            for entry in entries {
                submenu.append(item(entry)?.as_ref())?;
            }
            Box::new(submenu)
        }
        MenuEntry::Action { action, label, enabled } => {
            Box::new(MenuItem::with_id(action_id(*action), text(label), *enabled, None))
        }
    })
}

fn action_id(action: MenuAction) -> &'static str {
    match action {
        MenuAction::StartAll => "start-all",
        MenuAction::StopAll => "stop-all",
        MenuAction::AddPostgres => "add-postgres",
        MenuAction::OpenDashboard => "open",
        MenuAction::Quit => "quit",
    }
}

fn menu_clicked(app: &AppHandle, host: &HostHandle, id: &str) {
    if let Some(service) = id.strip_prefix(SERVICE_PREFIX) {
        if let Ok(service) = ServiceId::from_str(service) {
            host.send(host.snapshot().toggle(&service));
        }
        return;
    }
    let all = [
        MenuAction::StartAll,
        MenuAction::StopAll,
        MenuAction::AddPostgres,
        MenuAction::OpenDashboard,
        MenuAction::Quit,
    ];
    let Some(action) = all.into_iter().find(|action| action_id(*action) == id) else {
        return;
    };
    let every = || {
        host.snapshot()
            .services
            .iter()
            .filter(|service| !service.external)
            .map(|service| service.id.clone())
            .collect()
    };
    match action {
        MenuAction::StartAll => host.send(Command::Start(every())),
        MenuAction::StopAll => host.send(Command::Stop(every())),
        MenuAction::AddPostgres => add_postgres(app.clone(), host.clone()),
        MenuAction::OpenDashboard => window::show(app, None),
        MenuAction::Quit => app::quit(app),
    }
}

fn add_postgres(app: AppHandle, host: HostHandle) {
    tauri::async_runtime::spawn(async move {
        match host.add_service(None, "postgres", None, None).await {
            Ok(id) => {
                host.send(Command::Start(vec![id.clone()]));
                // There its URL is to be copied from.
                window::show(&app, Some(ShowService::row_of(id)));
            }
            Err(error) => {
                // The window is where a person sees what is wrong with the personal project's file.
                tracing::warn!(%error, "PostgreSQL was not added");
                window::show(&app, None);
            }
        }
    });
}

/// On Linux the bytes go over the bus, so no file is shared with other programs or users.
fn icon(kind: IconKind) -> Result<Icon, String> {
    let png: &[u8] = match kind {
        IconKind::Idle => include_bytes!("../../icons/tray-idle.png"),
        IconKind::Running => include_bytes!("../../icons/tray-running.png"),
        IconKind::Busy => include_bytes!("../../icons/tray-busy.png"),
        IconKind::Problem => include_bytes!("../../icons/tray-problem.png"),
        IconKind::Offline => include_bytes!("../../icons/tray-offline.png"),
    };
    let image = image::load_from_memory_with_format(png, image::ImageFormat::Png)
        .map_err(|error| format!("a tray icon can't be read: {error}"))?
        .into_rgba8();
    let (width, height) = image.dimensions();
    Icon::from_rgba(image.into_raw(), width, height).map_err(|error| error.to_string())
}

/// Takes the tray away. Left to the end of the thread, it would ask for thread-local values that are gone by then.
pub(crate) fn remove() {
    drop(SHOWN.with_borrow_mut(Option::take));
}
