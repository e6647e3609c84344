//! Generates Tauri's context and a permission for each of our own commands.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let commands = &[
        "dashboard_subscribe",
        "set_services",
        "restart_services",
        "mute_service",
        "move_service",
        "set_default_engine",
        "logs_open",
        "logs_close",
        "stats_open",
        "stats_close",
        "open_url",
        "copy_text",
        "add_project",
        "catalog",
        "add_service",
        "remove_service",
        "choose",
        "connection",
        "snapshots",
        "save_snapshot",
        "restore_snapshot",
        "remove_snapshot",
        "trash",
        "restore_trash",
        "empty_trash",
        "quit",
    ];
    let manifest = tauri_build::AppManifest::new().commands(commands);
    Ok(tauri_build::try_build(
        tauri_build::Attributes::new().app_manifest(manifest),
    )?)
}
