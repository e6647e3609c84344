//! Each story told to `transition` event by event.

mod crash;
mod engine;
mod health;
mod project;
mod restart;
mod starting;
mod stopping;
