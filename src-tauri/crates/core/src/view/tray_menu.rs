//! The tray: icon, tooltip and menu as one comparable value.

use std::collections::BTreeMap;

use crate::{
    ProjectName, ServiceId, Snapshot,
    snapshot::{EngineLink, EngineSnapshot, ServiceSnapshot},
    view::{dashboard::Tone, message},
};

/// Up to so many services stand in the menu itself; with more, each project gets a submenu.
const FLAT_LIMIT: usize = 30;
/// The family of the engine that runs processes of this machine.
const NATIVE: &str = "native";
/// Characters of a label; a menu as wide as the screen helps nobody.
const LABEL_LIMIT: usize = 80;

/// What the tray shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrayMenu {
    /// Which icon.
    pub icon: TrayIcon,
    /// The text by the pointer.
    pub tooltip: String,
    /// The menu.
    pub entries: Vec<MenuEntry>,
}

/// The icon's variants; they differ in shape, not only in colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrayIcon {
    /// Nothing runs.
    Idle,
    /// Something runs, nothing is wrong.
    Running,
    /// Something is on its way.
    Busy,
    /// Something is down that should not be.
    Problem,
    /// No engine answers.
    Offline,
}

/// One line of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MenuEntry {
    /// Text that can't be clicked.
    Heading(String),
    /// A line between groups.
    Separator,
    /// A service's check item.
    Service {
        /// Which service.
        id: ServiceId,
        /// Name, and its state where it isn't plain running or stopped.
        label: String,
        /// Does it run?
        checked: bool,
    },
    /// A project's services, where there are many.
    Submenu {
        /// The project, with how many run.
        label: String,
        /// Its services.
        entries: Vec<MenuEntry>,
    },
    /// Something to do.
    Action {
        /// What.
        action: MenuAction,
        /// In words.
        label: String,
        /// Would it do anything now?
        enabled: bool,
    },
}

/// What a menu item does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MenuAction {
    /// Start every service of the projects.
    StartAll,
    /// Stop every service of the projects.
    StopAll,
    /// Add a PostgreSQL to the personal project and start it.
    AddPostgres,
    /// Show the dashboard.
    OpenDashboard,
    /// End locald; services stay as they are.
    Quit,
}

impl TrayMenu {
    /// The tray of a snapshot.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut entries = Vec::new();
        let mut groups: BTreeMap<&ProjectName, Vec<&ServiceSnapshot>> = BTreeMap::new();
        for service in &snapshot.services {
            groups.entry(&service.id.project).or_default().push(service);
        }
        for engine in snapshot.engines.iter().filter(|engine| !engine.absent) {
            if let EngineLink::Offline { problem } = &engine.link {
                entries.push(MenuEntry::Heading(format!(
                    "{}: {}",
                    engine.id,
                    message::short(problem.code)
                )));
            }
        }
        let declared = snapshot.services.iter().filter(|service| !service.external).count();
        let (own, found): (Vec<_>, Vec<_>) = groups.iter().partition(|(project, _)| {
            snapshot
                .projects
                .get(**project)
                .is_none_or(|project| project.folder.is_some())
        });
        for (project, services) in own.into_iter().chain(found.iter().copied()) {
            // What locald did not make is there to be found, and not in the way.
            let flat = declared <= FLAT_LIMIT && services.iter().any(|service| !service.external);
            let items = services.iter().map(|service| MenuEntry::Service {
                id: service.id.clone(),
                label: label(service),
                checked: service.is_up(),
            });
            if flat {
                entries.push(MenuEntry::Heading(project.to_string()));
                entries.extend(items);
                entries.push(MenuEntry::Separator);
            } else {
                let up = services.iter().filter(|service| service.is_up()).count();
                let label = format!("{project}  ({up} of {} running)", services.len());
                entries.push(MenuEntry::Submenu {
                    label,
                    entries: items.collect(),
                });
            }
        }
        if groups.is_empty() {
            entries.push(MenuEntry::Heading("No services yet".into()));
        }
        if declared == 0 {
            // What most people come for, one click away.
            entries.push(action(MenuAction::AddPostgres, "Add PostgreSQL", true));
        }
        if !matches!(entries.last(), Some(MenuEntry::Separator)) {
            entries.push(MenuEntry::Separator);
        }
        let own = || snapshot.services.iter().filter(|service| !service.external);
        let can_start = own().any(|service| service.click_turns_on());
        let can_stop = own().any(|service| !service.click_turns_on());
        entries.push(action(MenuAction::StartAll, "Start all", can_start));
        entries.push(action(MenuAction::StopAll, "Stop all", can_stop));
        entries.push(MenuEntry::Separator);
        entries.push(action(MenuAction::OpenDashboard, "Open dashboard", true));
        entries.push(action(MenuAction::Quit, "Quit", true));
        Self {
            icon: icon(snapshot),
            tooltip: tooltip(snapshot),
            entries,
        }
    }
}

fn action(action: MenuAction, label: &str, enabled: bool) -> MenuEntry {
    MenuEntry::Action {
        action,
        label: label.to_owned(),
        enabled,
    }
}

fn label(service: &ServiceSnapshot) -> String {
    let label = match message::menu_state(service) {
        Some(state) => format!("{} – {state}", service.id.name),
        None => service.id.name.to_string(),
    };
    if label.chars().count() <= LABEL_LIMIT {
        return label;
    }
    let cut: String = label.chars().take(LABEL_LIMIT - 1).collect();
    format!("{cut}…")
}

fn icon(snapshot: &Snapshot) -> TrayIcon {
    // The native engine is always there: it is about the others, where something needs them.
    let is_native = |engine: &EngineSnapshot| engine.kind == NATIVE;
    let containers = || snapshot.engines.iter().filter(|engine| !is_native(engine));
    let has_native = snapshot.engines.iter().any(|engine| is_native(engine));
    let native_in_use = snapshot
        .services
        .iter()
        .any(|service| service.engine.as_ref().is_some_and(|engine| engine.as_str() == NATIVE));
    let online = containers().any(|engine| !matches!(engine.link, EngineLink::Offline { .. }))
        || (has_native && (containers().next().is_none() || native_in_use));
    let tones: Vec<Tone> = snapshot.services.iter().map(|service| message::tone(service)).collect();
    if tones.contains(&Tone::Bad)
        || snapshot
            .services
            .iter()
            .any(|s| s.is_up() && message::tone(s) == Tone::Warning)
    {
        TrayIcon::Problem
    } else if !online {
        TrayIcon::Offline
    } else if tones.contains(&Tone::Busy) {
        TrayIcon::Busy
    } else if tones.contains(&Tone::Good) {
        TrayIcon::Running
    } else {
        TrayIcon::Idle
    }
}

fn tooltip(snapshot: &Snapshot) -> String {
    let running = snapshot.services.iter().filter(|service| service.is_up()).count();
    let bad = snapshot
        .services
        .iter()
        .filter(|service| message::tone(service) == Tone::Bad)
        .count();
    let mut text = format!("{running} of {} running", snapshot.services.len());
    if bad > 0 {
        text.push_str(&format!(", {bad} with problems"));
    }
    text
}
