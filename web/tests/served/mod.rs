//! A served page, to be asked over real connections.
#![allow(dead_code, reason = "each test uses some of it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;
use web::access::{Accounts, Incident, Peer, Surroundings};
use web::model::{Status, Verdict};
use web::{Access, Ask, Feed, Handle, Refusal, Role, Server};

/// A machine whose time goes on when it is told to, and which remembers what it is told.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) secs: AtomicU64,
    random: AtomicU64,
    pub(crate) told: Mutex<Vec<Incident>>,
}

impl Surroundings for World {
    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.secs.load(Ordering::SeqCst))
    }

    fn wall_secs(&self) -> u64 {
        self.secs.load(Ordering::SeqCst)
    }

    fn random(&self) -> [u8; 32] {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&self.random.fetch_add(1, Ordering::SeqCst).to_le_bytes());
        bytes
    }

    fn uid_of(&self, _: &Peer) -> Option<u32> {
        Some(1_000)
    }

    fn tell(&self, incident: &Incident) {
        self.told.lock().unwrap().push(incident.clone());
    }
}

/// A served page; unless it is made otherwise, its daemon answers a status, and knows nothing else.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) feed: Arc<Feed>,
    pub(crate) access: Access,
    pub(crate) world: Arc<World>,
    /// Questions that have come to the daemon.
    pub(crate) asked: Arc<AtomicU64>,
    runtime: Option<Runtime>,
}

impl Drop for Served {
    fn drop(&mut self) {
        // A daemon that is silent does not end by itself.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Knows a status, and nothing else.
fn answer(ask: Ask) {
    match ask {
        Ask::Status(to) => drop(to.send(Ok(status()))),
        Ask::Host(id, to) => drop(to.send(Err(Refusal::NotFound(format!("no {id}"))))),
        Ask::DecideDevice { hardware, to, .. } => drop(to.send(Err(Refusal::Bad(format!("no {hardware}"))))),
        other => drop(other),
    }
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}: {}", self.head, String::from_utf8_lossy(&self.body)))
    }
}

impl Served {
    pub(crate) fn new() -> Self {
        Self::with(answer)
    }

    /// With a daemon that takes no question at all; so many wait.
    pub(crate) fn silent() -> Self {
        Self::with(|ask| {
            std::mem::forget(ask);
            std::thread::park();
        })
    }

    pub(crate) fn with(answer: impl FnMut(Ask) + Send + 'static) -> Self {
        Self::build(Accounts::open_to_this_machine(Role::Administer), answer)
    }

    /// For these people.
    pub(crate) fn to(accounts: Accounts) -> Self {
        Self::build(accounts, answer)
    }

    pub(crate) fn build(accounts: Accounts, mut answer: impl FnMut(Ask) + Send + 'static) -> Self {
        // The daemon's part may sleep on one of its threads.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let feed = Arc::new(Feed::new("run".to_owned()));
        let (handle, mut asks) = Handle::new(4, Arc::clone(&feed));
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        runtime.spawn(async move {
            while let Some(ask) = asks.recv().await {
                count.fetch_add(1, Ordering::SeqCst);
                answer(ask);
            }
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let world = Arc::new(World::default());
        let access = Access::new(accounts, Arc::clone(&world) as Arc<dyn Surroundings>);
        runtime.spawn(web::serve(Server { listener, handle, access: access.clone(), tls: None }));
        Self { address, feed, access, world, asked, runtime: Some(runtime) }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// What is answered to a request; `more` are header lines.
    pub(crate) fn send(&self, method: &str, path: &str, more: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let host = if more.to_lowercase().contains("host:") { "" } else { "host: localhost\r\n" };
        let length = match (body.is_empty(), method) {
            (true, "GET") => String::new(),
            _ => format!("content-length: {}\r\n", body.len()),
        };
        let head = format!("{method} {path} HTTP/1.1\r\n{host}connection: close\r\n{length}{more}\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let split = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(all[..split].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: all[split + 4..].to_vec() }
    }

    /// Status, head in small letters and body of an answer; `more` are header lines.
    pub(crate) fn ask(&self, path: &str, more: &str) -> (u16, String, Vec<u8>) {
        let Answer { status, head, body } = self.send("GET", path, more, b"");
        (status, head.to_lowercase(), body)
    }

    pub(crate) fn text(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask(path, "");
        (status, String::from_utf8(body).unwrap())
    }
}

pub(crate) fn status() -> Status {
    let verdict = Verdict {
        level: web::model::Level::Ok,
        words: "All is well".into(),
        detail: String::new(),
        attention: Vec::new(),
    };
    Status {
        version: "1".to_owned(),
        host: "here".to_owned(),
        now: 2,
        started_at: 1,
        verdict,
        leases: Default::default(),
        names: Default::default(),
        traffic: Default::default(),
        storage: Default::default(),
        dns: Some(Default::default()),
    }
}
