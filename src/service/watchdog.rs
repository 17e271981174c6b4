//! The service manager's watchdog: fed only while leases can be given. A daemon whose core or whose disk hangs answers
//! nobody, and only a restart may help; that is what is not fed for.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tracing::{error, info};

use super::notify::{Notifier, Word};
use crate::committer::Committer;
use crate::dhcp_service::{Look, Question};

/// Whom it asks.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The DHCP service, where the core is.
    pub service: mpsc::Sender<Question>,
    /// The thread that stores.
    pub committer: Committer,
}

impl Watched {
    /// Which part does not answer in time; `None`: both do.
    pub async fn hangs(&self, patience: Duration) -> Option<&'static str> {
        let (look, seen) = Look::new(|_, _| ());
        let asked = async {
            // A service that is gone ends the daemon by itself.
            drop(self.service.send(Question::Look(look)).await);
            _ = seen.await;
        };
        let deadline = Instant::now() + patience;
        if timeout(patience, asked).await.is_err() {
            return Some("the DHCP service");
        }
        let left = deadline.saturating_duration_since(Instant::now()).max(patience / 4);
        timeout(left, self.committer.is_alive()).await.is_err().then_some("the committer, which stores leases,")
    }
}

/// Feeds the watchdog for ever: twice in the time that the manager waits.
pub async fn feed(notifier: &Notifier, every: Duration, watched: Watched) -> Infallible {
    let pause = every / 2;
    let mut hung = false;
    loop {
        // The manager's time is what must not pass: half of it is spent on sleeping, a quarter on asking.
        match watched.hangs(every / 4).await {
            None => {
                if std::mem::take(&mut hung) {
                    info!("progress is made again");
                }
                notifier.tell(&[Word::Watchdog]);
            }
            Some(part) if !hung => {
                hung = true;
                error!(
                    "{part} has not answered for {} ms: the service manager is not told that all is well, and restarts \
                     this daemon when that lasts",
                    (every / 4).as_millis()
                );
            }
            Some(_) => {}
        }
        tokio::time::sleep(pause).await;
    }
}
