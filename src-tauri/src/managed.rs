//! What the window may call about the catalog and services' data.

use locald_core::{
    Choice, Command, ProjectName, ServiceId,
    spec::Connection,
    view::managed::{CatalogItem, ConnectionView, SavedSnapshot, TrashItem},
};
use tauri::State;

use crate::{app::Desktop, commands::CommandError};

#[tauri::command]
pub(crate) async fn catalog(desktop: State<'_, Desktop>) -> Result<Vec<CatalogItem>, CommandError> {
    Ok(desktop.host.catalog().await)
}

/// Adds a managed service and starts it; gives its id.
#[tauri::command]
pub(crate) async fn add_service(
    desktop: State<'_, Desktop>,
    project: Option<ProjectName>,
    entry: String,
    version: Option<String>,
    name: Option<String>,
) -> Result<ServiceId, CommandError> {
    let snapshot = desktop.host.snapshot();
    let folder = match &project {
        None => None,
        Some(project) => {
            let known = snapshot
                .projects
                .get(project)
                .and_then(|project| project.folder.clone());
            Some(known.ok_or_else(|| CommandError::new("no_such_project", format!("there is no project {project}")))?)
        }
    };
    let id = desktop
        .host
        .add_service(folder, &entry, version.as_deref(), name.as_deref())
        .await?;
    desktop.host.command(Command::Start(vec![id.clone()])).await?;
    Ok(id)
}

#[tauri::command]
pub(crate) async fn remove_service(desktop: State<'_, Desktop>, service: ServiceId) -> Result<(), CommandError> {
    desktop.host.remove_service(&service).await?;
    Ok(())
}

#[tauri::command]
pub(crate) async fn choose(
    desktop: State<'_, Desktop>,
    service: ServiceId,
    choice: Choice,
) -> Result<(), CommandError> {
    desktop.host.choose(&service, choice).await?;
    Ok(())
}

#[tauri::command]
pub(crate) fn connection(desktop: State<'_, Desktop>, service: ServiceId) -> Result<ConnectionView, CommandError> {
    let connection = desktop.host.connection(&service)?;
    Ok(ConnectionView::of(&connection, client_line(&connection)))
}

/// The client as a line for a shell, with its password in the environment and not in its arguments.
fn client_line(connection: &Connection) -> Option<String> {
    let client = connection.client.as_ref()?;
    let env = connection
        .client_env
        .iter()
        .map(|(name, value)| format!("{name}={}", quoted(value)));
    let words = client.iter().map(|word| quoted(word));
    Some(env.chain(words).collect::<Vec<_>>().join(" "))
}

/// A word for a shell, without quotes where none are needed: `--host=127.0.0.1` reads better so.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:@,+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    shell_words::quote(word).into_owned()
}

#[tauri::command]
pub(crate) async fn snapshots(
    desktop: State<'_, Desktop>,
    service: ServiceId,
) -> Result<Vec<SavedSnapshot>, CommandError> {
    Ok(desktop.host.saved(&service).await?)
}

#[tauri::command]
pub(crate) async fn save_snapshot(
    desktop: State<'_, Desktop>,
    service: ServiceId,
    name: Option<String>,
) -> Result<SavedSnapshot, CommandError> {
    Ok(desktop.host.save(&service, name).await?)
}

#[tauri::command]
pub(crate) async fn restore_snapshot(
    desktop: State<'_, Desktop>,
    service: ServiceId,
    name: String,
) -> Result<(), CommandError> {
    desktop.host.restore(&service, &name).await?;
    Ok(())
}

#[tauri::command]
pub(crate) async fn remove_snapshot(
    desktop: State<'_, Desktop>,
    service: ServiceId,
    name: String,
) -> Result<(), CommandError> {
    Ok(desktop.host.remove_saved(&service, &name).await?)
}

#[tauri::command]
pub(crate) fn trash(desktop: State<'_, Desktop>) -> Vec<TrashItem> {
    desktop.host.trash()
}

#[tauri::command]
pub(crate) async fn restore_trash(desktop: State<'_, Desktop>, id: String) -> Result<ServiceId, CommandError> {
    let (service, _) = desktop.host.restore_trash(&id).await?;
    Ok(service)
}

#[tauri::command]
pub(crate) async fn empty_trash(desktop: State<'_, Desktop>, id: Option<String>) -> Result<(), CommandError> {
    desktop.host.empty_trash(id.as_deref()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn only_what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("--host=127.0.0.1"), "--host=127.0.0.1");
        for word in ["", "a b", "$HOME", "it's", "a;b", "~", "*"] {
            let text = quoted(word);
            assert_ne!(text, word);
            assert_eq!(shell_words::split(&text).ok(), Some(vec![word.to_owned()]));
        }
    }
}
