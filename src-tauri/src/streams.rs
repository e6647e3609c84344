//! Streams into the window: what is open, so that it ends with the window.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::task::AbortHandle;

#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last_id: u32,
    tasks: HashMap<u32, AbortHandle>,
}

impl Streams {
    /// Runs a stream; gives the number by which it is closed.
    pub(crate) fn open(&self, stream: impl Future<Output = ()> + Send + 'static) -> u32 {
        let mut open = self.lock();
        open.tasks.retain(|_, task| !task.is_finished());
        open.last_id += 1;
        let id = open.last_id;
        open.tasks.insert(id, tokio::spawn(stream).abort_handle());
        id
    }

    pub(crate) fn close(&self, id: u32) {
        if let Some(task) = self.lock().tasks.remove(&id) {
            task.abort();
        }
    }

    pub(crate) fn close_all(&self) {
        for (_, task) in self.lock().tasks.drain() {
            task.abort();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        // What a panicking thread left here is a list of tasks, and still true.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
