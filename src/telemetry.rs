//! Spans for OpenTelemetry (feature `otel`): from the packet of a client to the moment at which DNS holds its name.
//!
//! A trace is one exchange of a client (all messages of one transaction number): a span for each message, from its arrival to
//! its reply, with what it waited for within; and behind it one for its name and one for its address, until DNS holds them.
//! What is there is noted where it happens, by functions that do nothing until [`start`] found where to send spans; a thread
//! of its own sends them, as OTLP over HTTP in JSON (the OpenTelemetry protocol's own encoding of protobuf). Nobody waits for
//! it: what does not fit is left out, and counted.
//!
//! The way to a collector is told by the variables of OpenTelemetry's specification. The protocol's own crates would bring
//! three dozen more along, for one form of JSON.

pub mod otlp;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ddns::wanted::RowKey;
use dhcp::decision::LeaseEvent;
use tracing::{info, warn};

use self::otlp::{Collector, Span};
use crate::core::NameEvent;
use crate::core::pipeline::Arrival;
use crate::quiet::Quiet;

/// Spans that wait to be sent.
const WAITING_MAX: usize = 8 * 1_024;
/// Spans that are sent together.
const AT_ONCE: usize = 512;
/// What has happened within this time is sent together.
const TOGETHER: Duration = Duration::from_secs(1);
/// Messages whose reply is still to come, and names that DNS does not hold yet, that are remembered.
const OPEN_MAX: usize = 16 * 1_024;
/// A message that came so long ago was dropped; a name, given up.
const OPEN_NANOS: u64 = 300_000_000_000;
/// How long the end waits for what is still to be sent.
const PATIENCE: Duration = Duration::from_secs(3);
/// The smallest BOOTP message with the cookie of DHCP.
const OPTIONS_AT: usize = 240;

static TELLING: OnceLock<Telling> = OnceLock::new();

/// What is sent: spans, and whoever waits until those before are.
enum Item {
    Span(Span),
    Flush(SyncSender<()>),
}

struct Telling {
    to: SyncSender<Item>,
    open: Mutex<Open>,
    lost: AtomicU64,
    /// Makes the numbers of traces and spans.
    numbers: RandomState,
    counted: AtomicU64,
}

#[derive(Default)]
struct Open {
    messages: HashMap<Message, Times>,
    names: HashMap<RowKey, Pending>,
}

/// A message by its transaction number and its client's hardware address.
type Message = [u8; 20];

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    arrived: u64,
    decided: u64,
}

#[derive(Clone, Debug)]
struct Pending {
    trace: u128,
    parent: u64,
    since: u64,
}

/// Begins to send spans, where the environment says where to; once in a process.
pub fn start() {
    let Some(collector) = Collector::from_environment() else { return };
    let (to, items) = sync_channel(WAITING_MAX);
    let telling = Telling {
        to,
        open: Mutex::default(),
        lost: AtomicU64::new(0),
        numbers: RandomState::new(),
        counted: AtomicU64::new(0),
    };
    if TELLING.set(telling).is_ok() {
        info!("spans are sent to {}", collector.shown());
        let sending = move || send(&collector, &items);
        if let Err(error) = std::thread::Builder::new().name("spans".to_owned()).spawn(sending) {
            warn!("no spans are sent: {error}");
        }
    }
}

/// Waits until what was told is sent, but not for ever. Blocks.
pub fn flush() {
    let Some(telling) = TELLING.get() else { return };
    let (to, done) = sync_channel(1);
    if telling.to.try_send(Item::Flush(to)).is_ok() {
        // A collector that does not answer loses the last spans.
        _ = done.recv_timeout(PATIENCE);
    }
}

/// A message has arrived.
pub fn arrived(payload: &[u8]) {
    let (Some(telling), Some(message)) = (TELLING.get(), message(payload)) else { return };
    let arrived = now();
    let mut open = telling.lock();
    if open.messages.len() >= OPEN_MAX {
        open.messages.retain(|_, times| times.arrived + OPEN_NANOS > arrived);
    }
    if open.messages.len() < OPEN_MAX {
        open.messages.insert(message, Times { arrived, decided: arrived });
    }
}

/// These are decided now.
pub fn deciding(arrivals: &[Arrival]) {
    let Some(telling) = TELLING.get() else { return };
    let decided = now();
    let mut open = telling.lock();
    for message in arrivals.iter().filter_map(|arrival| message(&arrival.payload)) {
        if let Some(times) = open.messages.get_mut(&message) {
            times.decided = decided;
        }
    }
}

/// What was decided is stored; its replies are to be sent.
#[derive(Debug)]
pub struct Stored {
    at: u64,
    messages: Vec<(Told, Times)>,
    rows: Vec<(RowKey, bool)>,
}

/// What is said of a message.
#[derive(Debug)]
struct Told {
    message: Message,
    kind: &'static str,
    attributes: Vec<(&'static str, String)>,
    /// The rows of DNS that its lease wants.
    keys: Vec<RowKey>,
}

/// What is stored now, from which messages, and what it wants of DNS.
#[must_use]
pub fn stored(done: &[Arrival], events: &[LeaseEvent], names: &NameEvent) -> Option<Stored> {
    let telling = TELLING.get()?;
    let mut open = telling.lock();
    let taken = done.iter().filter_map(|arrival| {
        let message = message(&arrival.payload)?;
        let times = open.messages.remove(&message)?;
        Some((told(message, &arrival.payload, events), times))
    });
    let messages = taken.collect();
    let new = names.new.iter().flat_map(|new| {
        let forward = (RowKey::Forward(new.name.clone()), new.generation);
        [forward, (RowKey::Reverse(new.address), new.reverse_generation())]
    });
    let others = names.rows.iter().map(|row| (row.key.clone(), row.generation));
    // Those that an embedded zone holds already were stored with their leases.
    let rows = new.chain(others).map(|(key, generation)| (key, names.written.binary_search(&generation).is_ok()));
    Some(Stored { at: now(), messages, rows: rows.collect() })
}

impl Stored {
    /// Their replies have left.
    pub fn sent(self) {
        let Some(telling) = TELLING.get() else { return };
        let sent = now();
        for (told, times) in self.messages {
            let trace = telling.trace(&told.message);
            let root = telling.number();
            let span =
                |name, parent, id, begin, end| Span { trace, id, parent, name, begin, end, attributes: Vec::new() };
            let attributes = told.attributes;
            telling.tell(Span { attributes, ..span(told.kind, None, root, times.arrived, sent) });
            for (name, begin, end) in [
                ("wait for its turn", times.arrived, times.decided),
                ("decide and store", times.decided, self.at),
                ("reply", self.at, sent),
            ] {
                telling.tell(span(name, Some(root), telling.number(), begin, end));
            }
            for (key, written) in self.rows.iter().filter(|(key, _)| told.keys.contains(key)) {
                let pending = Pending { trace, parent: root, since: times.decided };
                match written {
                    // Stored with its lease: it resolved before the reply left.
                    true => telling.published(key, &pending, self.at),
                    false => telling.wanted(key.clone(), pending, sent),
                }
            }
        }
    }
}

/// DNS holds a name, or the PTR of an address, as it is wanted.
pub fn published(key: &RowKey) {
    let Some(telling) = TELLING.get() else { return };
    let pending = telling.lock().names.remove(key);
    if let Some(pending) = pending {
        telling.published(key, &pending, now());
    }
}

impl Telling {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        // Never 0, which means none.
        self.numbers.hash_one(self.counted.fetch_add(1, Ordering::Relaxed)).max(1)
    }

    /// The same for all messages of an exchange.
    fn trace(&self, message: &Message) -> u128 {
        let half = |which: u8| u128::from(self.numbers.hash_one((which, message)).max(1));
        half(1) << 64 | half(2)
    }

    fn tell(&self, span: Span) {
        if self.to.try_send(Item::Span(span)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn wanted(&self, key: RowKey, pending: Pending, now: u64) {
        let mut open = self.lock();
        if open.names.len() >= OPEN_MAX {
            open.names.retain(|_, pending| pending.since + OPEN_NANOS > now);
        }
        if open.names.len() < OPEN_MAX {
            open.names.insert(key, pending);
        }
    }

    fn published(&self, key: &RowKey, pending: &Pending, end: u64) {
        let (name, what) = match key {
            RowKey::Forward(name) => ("DNS holds the name", name.to_string()),
            RowKey::Reverse(address) => ("DNS holds the address", address.to_string()),
            RowKey::Stated(name, rtype) => ("DNS holds the record", format!("{name} {rtype}")),
        };
        let Pending { trace, parent, since } = *pending;
        let attributes = vec![("dns.question.name", what)];
        self.tell(Span { trace, id: self.number(), parent: Some(parent), name, begin: since, end, attributes });
    }
}

fn told(message: Message, payload: &[u8], events: &[LeaseEvent]) -> Told {
    let hardware = &payload[28..28 + usize::from(payload[2]).min(16)];
    let shown: Vec<String> = hardware.iter().map(|octet| format!("{octet:02x}")).collect();
    let mut attributes = vec![("client.hardware", shown.join(":"))];
    let mut keys = Vec::new();
    if let Some(event) = events.iter().find(|event| event.lease.hardware.as_bytes() == hardware) {
        attributes.push(("client.address", event.lease.address.to_string()));
        attributes.push(("lease.event", format!("{:?}", event.kind).to_lowercase()));
        keys.push(RowKey::Reverse(event.lease.address.into()));
        if let Some(name) = &event.lease.name {
            attributes.push(("lease.name", name.fqdn.to_string()));
            keys.push(RowKey::Forward(name.fqdn.clone()));
        }
    }
    Told { message, kind: kind_of(payload), attributes, keys }
}

fn message(payload: &[u8]) -> Option<Message> {
    let mut message = [0; 20];
    message[..4].copy_from_slice(payload.get(4..8)?);
    message[4..].copy_from_slice(payload.get(28..44)?);
    Some(message)
}

/// The kind of a message (RFC 2132 section 9.6), as far as the first options tell.
#[must_use]
pub fn kind_of(payload: &[u8]) -> &'static str {
    let mut rest = payload.get(OPTIONS_AT..).unwrap_or_default();
    while let [code, after @ ..] = rest {
        rest = match (code, after) {
            (0, _) => after,
            (255, _) => break,
            (53, [1, kind, ..]) => {
                return match kind {
                    1 => "DHCPDISCOVER",
                    3 => "DHCPREQUEST",
                    4 => "DHCPDECLINE",
                    7 => "DHCPRELEASE",
                    8 => "DHCPINFORM",
                    10 => "DHCPLEASEQUERY",
                    _ => "DHCP",
                };
            }
            (_, [length, data @ ..]) => data.get(usize::from(*length)..).unwrap_or_default(),
            (_, []) => break,
        };
    }
    "BOOTP"
}

/// UTC, in nanoseconds: what spans are told in.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The thread that sends.
fn send(collector: &Collector, items: &Receiver<Item>) {
    let not_sent = Quiet::default();
    loop {
        let (mut spans, mut flushes) = (Vec::new(), Vec::new());
        let deadline = std::time::Instant::now() + TOGETHER;
        let ended = loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            match items.recv_timeout(left) {
                Ok(Item::Span(span)) => spans.push(span),
                Ok(Item::Flush(to)) => flushes.push(to),
                Err(RecvTimeoutError::Timeout) => break false,
                Err(RecvTimeoutError::Disconnected) => break true,
            }
            if spans.len() >= AT_ONCE || !flushes.is_empty() {
                break false;
            }
        };
        let lost = TELLING.get().map_or(0, |telling| telling.lost.swap(0, Ordering::Relaxed));
        let failed = if spans.is_empty() { None } else { collector.post(&spans).err() };
        if let Some(words) = failed.or_else(|| (lost > 0).then(|| format!("{lost} did not fit")))
            && let Some(kept_back) = not_sent.may_tell()
        {
            warn!("spans are not sent to {}: {words}{kept_back}", collector.shown());
        }
        // Whoever waited may have gone.
        flushes.into_iter().for_each(|to| _ = to.try_send(()));
        if ended {
            return;
        }
    }
}
