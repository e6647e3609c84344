//! What each surface shows, as values derived from a snapshot.

#[cfg(test)]
mod bindings;
pub mod dashboard;
pub mod managed;
pub mod message;
pub mod notification;
pub mod status;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod tray_menu;
