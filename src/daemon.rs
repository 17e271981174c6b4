//! The daemon: start order, the wiring between its parts, and shutdown.
//!
//! ```text
//! sockets ─▶ DHCP service ─▶ committer ─▶ store          control socket ─▶ Responder ─▶ asks them all
//!                │  ▲            ▲  ▲
//!         events │  │ settled    │  └── zone keeper ◀── DNS server (UPDATE), updater
//!                ▼  │            │
//!              updater ──────────┘ confirmed rows        DNS server ◀─ published zones, forwarder
//! ```
//!
//! Start: the store (its lock first, so that a second daemon ends before it touches anything), the committer, embedded
//! zones, DNS server, DHCP sockets, updater, control socket. Shutdown goes the other way; what was decided is committed
//! and sent before the store is closed.
//!
//! Reading order: here what runs, and its end; `start` (each part on those before it), and of it `opening` (the store),
//! `dhcp_thread`, `dns` (the DNS server), `page`, `upkeep` (what looks after zones) and `tftp` (files for machines that
//! boot); `machine` (what follows the machine's interfaces and resolv.conf) and `addresses` (how it follows from them);
//! `reload` (another configuration).

mod addresses;
mod dhcp_thread;
mod dns;
mod machine;
mod opening;
mod own_name;
mod page;
mod reload;
mod start;
mod tasks;
mod tftp;
mod upkeep;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use config::Config;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle as TaskHandle;
use tokio::time::timeout;
use tracing::{info, warn};

pub use addresses::socket_settings;

use crate::changes::ChangeLog;
use crate::committer::End;
use crate::dhcp_service::{Question, ServiceError};
use crate::history::HistoryThread;
use crate::service::watchdog::Watched;
use reload::Running;
use tasks::Tasks;

/// Tasks that a changed configuration ends and begins.
const BULK_LEASEQUERY: &str = "the server of bulk leasequery";
const TFTP: &str = "the TFTP server";
/// How long a thread has to end: what was decided waits for its sync, and a disk can be slow. One that does not answer
/// at all must not keep the daemon from ending.
const THREAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long the DNS server has to give its sockets back.
const DNS_PATIENCE: Duration = Duration::from_secs(4);
/// How long a part that has ended may be only the first to be seen to.
const CAUSE_PATIENCE: Duration = Duration::from_secs(1);

/// Why a daemon ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Start another one: the store is then read anew.
    #[error("a write to the lease store failed")]
    StoreFailed,
    /// A part ended that should not have.
    #[error("{0} ended unexpectedly")]
    PartEnded(&'static str),
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    /// What a changed configuration is brought to.
    running: Running,
    committer_thread: Option<JoinHandle<()>>,
    service_thread: JoinHandle<()>,
    service_ended: oneshot::Receiver<Result<(), ServiceError>>,
    /// Follows the machine, and owns the DNS server.
    machine: TaskHandle<()>,
    machine_stop: oneshot::Sender<()>,
    history: Option<HistoryThread>,
    tasks: Tasks,
}

impl Daemon {
    /// What has to make progress.
    #[must_use]
    pub fn watched(&self) -> Watched {
        Watched { service: self.running.questions.clone(), committer: self.running.committer.clone() }
    }

    /// Who changed what.
    #[must_use]
    pub fn changes(&self) -> &Arc<ChangeLog> {
        &self.running.change_log
    }

    /// The configuration that is in force.
    #[must_use]
    pub fn config(&self) -> Config {
        (*self.running.config).clone()
    }

    /// Waits until the daemon ends by itself, which it does only when something failed. To be asked once.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(&mut self) -> Result<(), DaemonError> {
        let part = tokio::select! {
            biased;
            ended = &mut self.service_ended => return how_ended(ended),
            end = self.running.committer.ended() => return Err(match end {
                End::StoreFailed => DaemonError::StoreFailed,
                End::Gone => DaemonError::PartEnded("the committer"),
            }),
            _ = &mut self.machine => "the task that follows the interfaces",
            part = self.tasks.ended() => part,
        };
        // A part that ended because the DHCP service has: that one tells why.
        match timeout(CAUSE_PATIENCE, &mut self.service_ended).await {
            Ok(ended) => how_ended(ended),
            Err(_) => Err(DaemonError::PartEnded(part)),
        }
    }

    /// Ends everything: what was decided is committed and sent, then the store is closed. Takes as long as the disk
    /// does, and with one that does not answer some twenty seconds.
    pub async fn stop(mut self) {
        stop_service(&self.running.questions, self.service_thread).await;
        // A task that is gone has ended the DNS server already.
        let _ = self.machine_stop.send(());
        if !self.machine.is_finished() && timeout(DNS_PATIENCE, &mut self.machine).await.is_err() {
            self.machine.abort();
        }
        // The updater ends by itself when the service's end of its channel is gone, the others never. What is under way
        // is done again after the next start.
        self.tasks.shutdown().await;
        if let Some(history) = self.history {
            history.stop().await;
        }
        let told = timeout(THREAD_PATIENCE, self.running.committer.tell_to_stop()).await;
        if let (Ok(()), Some(thread)) = (told, self.committer_thread.take()) {
            join(thread, "the lease store is not closed").await;
        }
        #[cfg(feature = "otel")]
        drop(tokio::task::spawn_blocking(crate::telemetry::flush).await);
        info!("stopped");
    }
}

fn how_ended(ended: Result<Result<(), ServiceError>, oneshot::error::RecvError>) -> Result<(), DaemonError> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(ServiceError::StoreFailed(_))) => Err(DaemonError::StoreFailed),
        Ok(Err(ServiceError::CommitterGone)) => Err(DaemonError::PartEnded("the committer")),
        Err(_) => Err(DaemonError::PartEnded("the DHCP service")),
    }
}

async fn stop_service(questions: &mpsc::Sender<Question>, thread: JoinHandle<()>) {
    // A service that has ended needs no telling; one that does not listen is waited for no longer than any.
    drop(timeout(THREAD_PATIENCE, questions.send(Question::Stop)).await);
    join(thread, "what DHCP clients were not told yet is dropped").await;
}

/// Waits for a thread to end, but not for ever.
async fn join(thread: JoinHandle<()>, otherwise: &str) {
    let deadline = Instant::now() + THREAD_PATIENCE;
    while !thread.is_finished() {
        if Instant::now() >= deadline {
            warn!("the disk of the lease store does not answer: {otherwise}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // A thread that panicked has told so; there is nothing to add at the end.
    drop(thread.join());
}

/// What is served, in a line.
#[must_use]
pub fn summary(config: &Config) -> String {
    let subnets: Vec<String> = config.dhcp.subnets.iter().map(|subnet| subnet.prefix.to_string()).collect();
    let zones: Vec<String> = config.ddns.zones.iter().map(|zone| zone.apex.to_string()).collect();
    format!(
        "{}; zones {}",
        if subnets.is_empty() { "no subnet, DNS alone".to_owned() } else { format!("subnets {}", subnets.join(", ")) },
        if zones.is_empty() { "none".to_owned() } else { zones.join(", ") }
    )
}

#[cfg(test)]
mod tests;
