//! What each surface shows, as values derived from a snapshot.

pub mod dashboard;
pub mod message;
pub mod notification;
pub mod status;
pub mod tray_menu;
