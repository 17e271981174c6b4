//! Threads that answer datagrams, and ask others what plain questions need.
//!
//! On the threads of all other work each batch woke another of them, to see whether there was more to do: a system call
//! and two changes of thread for nothing, on the core that should answer. Updates, signatures, validation and
//! handshakes go there still.

use std::sync::mpsc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// So many at most; sockets share them.
const THREADS_MAX: usize = 2;

/// The threads that there are.
#[derive(Debug, Default)]
pub(in crate::dns_server) struct Threads {
    running: Vec<Running>,
    given: usize,
}

/// What comes of work on the threads of `runtime`, which ends with whoever waits for it; none: it did not come to its end.
pub(in crate::dns_server) async fn run_on<T: Send + 'static>(
    runtime: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    if Handle::current().id() == runtime.id() {
        return Some(work.await);
    }
    let mut task = JoinSet::new();
    task.spawn_on(work, runtime);
    task.join_next().await.and_then(Result::ok)
}

/// It ends when this is dropped, with whatever runs on it.
#[derive(Debug)]
struct Running {
    runtime: Handle,
    _end: oneshot::Sender<()>,
}

impl Threads {
    /// Where the next socket is served: on a thread of its own while there are few. Where none can be had that is told, and it
    /// is `otherwise`.
    pub(in crate::dns_server) fn next(&mut self, otherwise: &Handle) -> Handle {
        let most = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let at = self.given % most;
        self.given += 1;
        if at == self.running.len() {
            match start() {
                Ok(running) => self.running.push(running),
                Err(error) => {
                    tracing::warn!(%error, "no thread for DNS datagrams: they are answered beside all other work");
                    return otherwise.clone();
                }
            }
        }
        self.running.get(at).map_or_else(|| otherwise.clone(), |running| running.runtime.clone())
    }
}

fn start() -> std::io::Result<Running> {
    let (end, ended) = oneshot::channel::<()>();
    let (to, built) = mpsc::channel();
    std::thread::Builder::new().name("dns".to_owned()).spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(to.send(Err(error))),
        };
        // Whoever started it waits for this.
        drop(to.send(Ok(runtime.handle().clone())));
        drop(runtime.block_on(ended));
    })?;
    let runtime = built.recv().map_err(std::io::Error::other)??;
    Ok(Running { runtime, _end: end })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[tokio::test]
    async fn sockets_share_a_few_threads_that_end_with_their_server() {
        let (mut threads, otherwise) = (Threads::default(), Handle::current());
        let given: Vec<Handle> = (0..5).map(|_| threads.next(&otherwise)).collect();
        assert!((1..=THREADS_MAX).contains(&threads.running.len()));
        let name = || async { std::thread::current().name().map(str::to_owned) };
        for handle in &given {
            assert_eq!(handle.spawn(name()).await.unwrap().as_deref(), Some("dns"));
        }
        let endless = given[0].spawn(std::future::pending::<()>());
        drop(threads);
        assert!(endless.await.unwrap_err().is_cancelled());
    }
}
