//! What the updater is made of, and what it is asked.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ddns::audit::AuditedRow;
use ddns::reconcile::{Again, Feedback, HeldBack, Mend, News, Reconciler, ZoneHealth};
use ddns::settings::Settings;
use ddns::wanted::{RowKey, Want, WantedRow};
use dns::{Fqdn, Rcode, Update};
use store::rows::Row;
use tokio::sync::{mpsc, oneshot};
use zones::ZoneSet;

use crate::clock::Clock;
use crate::core::NameEvent;
use crate::ddns_client::UpdateClient;
use crate::explain::rows::RowFacts;
use crate::inheritor::Disputed;

/// Where all committed wanted rows can be asked for.
pub trait WantedSource: Send + Sync + 'static {
    /// All of them, as they are committed; `None` when whoever knows them has ended.
    fn all(&self) -> impl Future<Output = Option<Vec<WantedRow>>> + Send;
}

/// Where confirmed rows are stored.
pub trait RowSink: Send + Sync + 'static {
    /// Hands rows over without waiting. Losing them costs a repeated update after the next start, nothing else.
    fn submit(&self, rows: Vec<Row>);
}

/// The embedded zones.
pub trait EmbeddedZones: Send + Sync + 'static {
    /// Applies an update, and answers once it is stored and published.
    fn update(&self, update: Update) -> impl Future<Output = Rcode> + Send;
}

/// The updater's channels.
#[derive(Debug)]
pub struct UpdaterChannels {
    /// What happened to leases; the updater ends when the other end is dropped.
    pub events: mpsc::Receiver<NameEvent>,
    /// Raised when an event did not fit.
    pub overflowed: Arc<AtomicBool>,
    /// What DNS holds as wanted, for [`ddns::wanted::WantedTable::remove_settled`], and what is somebody else's there.
    pub settled: mpsc::Sender<Feedback>,
    /// Questions.
    pub questions: mpsc::Receiver<UpdaterQuestion>,
}

/// A question to the running updater.
#[derive(Debug)]
pub enum UpdaterQuestion {
    /// How every name and address stands.
    Names(oneshot::Sender<Vec<NameStatus>>),
    /// Looks at all rows. No update is sent meanwhile, so it does little with each.
    Look(Look),
    /// How these stand, in all that is known.
    Rows(Vec<RowKey>, oneshot::Sender<Vec<RowFacts>>),
    /// How the servers of every zone are doing.
    Servers(oneshot::Sender<Vec<ZoneHealth>>),
    /// The settings by which zones are kept now, with what is known of where they begin.
    Settings(oneshot::Sender<Arc<Settings>>),
    /// Every row as an audit compares it, and whether it is in the zone of this name.
    Audited(Fqdn, oneshot::Sender<Vec<(bool, AuditedRow)>>),
    /// Mend these; how many of them there was something to do for.
    Mend(Vec<Mend>, oneshot::Sender<usize>),
    /// A name that was disputed is no former server's: whoever wants it is told.
    Foreign(RowKey, u64),
    /// What is held back and asked about, zone by zone.
    HeldBack(oneshot::Sender<Vec<HeldBack>>),
    /// Delete what is held back of the zone of this name; how many rows that are.
    ConfirmDeletions(Fqdn, oneshot::Sender<usize>),
    /// Try what waits for its next try now; how many rows that are.
    TryNow(Again, oneshot::Sender<usize>),
    /// Tell DNS every row of the zone of this name anew; how many there are.
    Resync(Fqdn, oneshot::Sender<usize>),
    /// Other settings; answered once they are in force.
    Reload(Box<NewSettings>, oneshot::Sender<()>),
}

/// What a changed configuration brings for the updater.
#[derive(Debug)]
pub struct NewSettings {
    /// The zones and who serves them.
    pub settings: Arc<Settings>,
    /// As [`UpdaterParts::inheritor`].
    pub inheritor: Option<mpsc::Sender<Disputed>>,
    /// The embedded zones as they are published now.
    pub published: Arc<ZoneSet>,
}

/// What looks at the reconciler, and sends what it sees to whoever wants it.
pub struct Look(pub(super) Looking);

pub(super) type Looking = Box<dyn FnOnce(&Reconciler, ddns::Now) + Send>;

impl Look {
    /// A look, and where what it sees comes out; nothing comes out when the updater has ended.
    pub fn new<T: Send + 'static>(
        look: impl FnOnce(&Reconciler, ddns::Now) -> T + Send + 'static,
    ) -> (Self, oneshot::Receiver<T>) {
        let (to, seen) = oneshot::channel();
        // Whoever wanted to know may have gone.
        (Self(Box::new(move |reconciler, now| drop(to.send(look(reconciler, now))))), seen)
    }
}

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Look")
    }
}

/// What is told of DNS beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// What an operator should hear of.
    News(News),
    /// DNS holds a name, or the PTR of an address, as it is wanted.
    Done(RowKey),
}

/// How one name or address stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameStatus {
    /// The name, or the address of a PTR.
    pub key: RowKey,
    /// What DNS should hold; `None`: nothing, and something is still to be removed.
    pub want: Option<Want>,
    /// DNS holds it.
    pub done: bool,
    /// What happened, what to do and what comes next.
    pub words: String,
}

/// What the updater works with.
#[derive(Debug)]
pub struct UpdaterParts<W, S, Z> {
    /// The zones and who serves them.
    pub settings: Arc<Settings>,
    /// The reconciler, loaded with what the store holds, and with [`Settings::unresolved`]: the updater finds out where
    /// zones begin.
    pub reconciler: Reconciler,
    /// Sends to remote servers.
    pub client: Arc<UpdateClient>,
    /// The embedded zones.
    pub zones: Arc<Z>,
    /// Asked after an overflow.
    pub wanted: Arc<W>,
    /// Stores what is confirmed.
    pub sink: Arc<S>,
    /// The daemon's clock.
    pub clock: Clock,
    /// Channels.
    pub channels: UpdaterChannels,
    /// Who is told of names that are somebody else's, where a former server's names are inherited.
    pub inheritor: Option<mpsc::Sender<Disputed>>,
}
