//! Generates Tauri's context and the permissions for our own commands.
fn main() {}
