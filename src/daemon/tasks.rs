//! The daemon's tasks: any of them that ends ends the daemon, but for those that a changed configuration ends.

use std::collections::BTreeMap;

use tokio::task::{AbortHandle, JoinSet};

/// See the module. Each task returns what it was.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: JoinSet<&'static str>,
    handles: BTreeMap<&'static str, AbortHandle>,
}

impl Tasks {
    /// Begins one more.
    pub(super) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.running.spawn(async move {
            task.await;
            name
        });
        self.handles.insert(name, handle);
    }

    /// Ends the task of this name, if there is one, and begins another in its place, if there is one.
    pub(super) fn replace(&mut self, name: &'static str, task: Option<impl Future<Output = ()> + Send + 'static>) {
        if let Some(former) = self.handles.remove(name) {
            former.abort();
        }
        if let Some(task) = task {
            self.spawn(name, task);
        }
    }

    /// Waits until one has ended that nobody has ended: which one. Never, when there are none.
    pub(super) async fn ended(&mut self) -> &'static str {
        loop {
            match self.running.join_next().await {
                None => std::future::pending().await,
                Some(Ok(name)) => return name,
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(_)) => return "a part that panicked",
            }
        }
    }

    /// Ends all of them.
    pub(super) async fn shutdown(&mut self) {
        self.running.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_is_replaced_does_not_end_the_daemon_and_one_that_ends_does() {
        let mut tasks = Tasks::default();
        tasks.spawn("one", std::future::pending());
        tasks.replace("one", Some(std::future::pending()));
        tasks.replace("one", None::<std::future::Pending<()>>);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(50), tasks.ended()).await;
        assert!(waited.is_err(), "nothing has ended by itself");
        tasks.replace("other", Some(std::future::ready(())));
        assert_eq!(tasks.ended().await, "other");
    }
}
