//! Connections: so many at once, and each only as long as it asks.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::{Handle, router};

/// Connections at once; more wait in the listen queue. A browser opens six at most.
const CONNECTIONS_MAX: usize = 64;
/// The head of a request must have come by then, and a connection that asks nothing more is closed after it.
const HEAD_WAIT: Duration = Duration::from_secs(20);
/// Bytes of a request's head that are read.
const HEAD_BYTES_MAX: usize = 16 * 1_024;

/// A listening socket and what is served on it.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub listener: TcpListener,
    /// Whom it asks.
    pub handle: Handle,
}

/// Serves until dropped; with it all connections end.
pub async fn serve(server: Server) {
    let Server { listener, handle } = server;
    let router = router(handle);
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: a pause lets some be closed.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let router = router.clone();
        connections.spawn(async move {
            let _slot = slot;
            converse(stream, router).await;
        });
    }
}

async fn converse(stream: TcpStream, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // Whoever sends nonsense or goes early misses the answer, and nobody else does.
    drop(served.await);
}
