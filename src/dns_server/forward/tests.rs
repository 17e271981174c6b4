//! The forwarder's own bounds and times, by means that a test has in hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use dns::RecordType;

use super::*;

thread_local! {
    static BOOT_MS: std::cell::Cell<u64> = const { std::cell::Cell::new(1_000_000) };
}

fn means() -> Means {
    Means { boot_ms: || BOOT_MS.get(), sockets: Arc::new(Semaphore::new(2)) }
}

fn silent() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

fn forwarder(means: Means, upstream: SocketAddr) -> Forwarder {
    Forwarder::by(means, &[upstream.into()], &Forwarding::default(), &Arc::default()).unwrap()
}

fn key(name: &str) -> Key {
    Key::new(&name.parse().unwrap(), RecordType::A, false, false)
}

/// An answer of one address, to be believed for a minute.
fn an_answer(key: &Key) -> Answer {
    let mut octets = Outgoing::build(key, 0, false).without_edns().octets;
    octets[2] |= 0x80;
    octets[7] = 1;
    octets.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    Answer::from_message(&octets).unwrap()
}

#[tokio::test]
async fn what_was_known_before_a_long_sleep_is_stale_after_it() {
    let upstream = silent();
    let shared = forwarder(means(), upstream.local_addr().unwrap()).0;
    let key = key("a.elsewhere.example");
    shared.keep(&key, &an_answer(&key));
    assert!(matches!(shared.known(&key), Known::Answer(_)));
    BOOT_MS.set(BOOT_MS.get() + 61_000);
    assert!(matches!(shared.known(&key), Known::Stale(..)));
}

#[tokio::test]
async fn what_is_stale_is_no_ground_to_validate_on() {
    let upstream = silent();
    let shared = forwarder(means(), upstream.local_addr().unwrap()).0;
    let key = Key::new(&"a.elsewhere.example".parse().unwrap(), RecordType::A, true, true);
    let fresh = now(an_answer(&key), Fate::Asked);
    assert!(validation::response(&shared, &key, &fresh).is_ok());
    assert!(validation::response(&shared, &key, &Outcome { stale: true, ..fresh }).is_err());
}

/// Counts lines.
struct Lines(Arc<AtomicU64>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        if *event.metadata().level() == tracing::Level::WARN {
            count(&self.0);
        }
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_loop_is_told_once_however_often_its_name_comes_back() {
    let upstream = silent();
    let shared = forwarder(means(), upstream.local_addr().unwrap()).0;
    let (key, lines) = (shared.loops.first(), Arc::new(AtomicU64::new(0)));
    tracing::subscriber::with_default(Lines(Arc::clone(&lines)), || {
        for _ in 0..5 {
            assert!(matches!(shared.known(&key), Known::Answer(_)));
        }
    });
    assert_eq!(lines.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn questions_have_no_more_sockets_than_there_are_for_all() {
    let upstream = silent();
    upstream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let means = Means { boot_ms: clock::boot_ms, ..means() };
    let forwarder = forwarder(means, upstream.local_addr().unwrap());
    for number in 0..20 {
        let shared = &forwarder.0;
        shared.begin(&key(&format!("a{number}.elsewhere.example")), &shared.groups[0], None).unwrap();
    }
    // Longer than an upstream may take before it is asked again, shorter than an attempt lives.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (mut octets, mut ports) = ([0; 512], std::collections::HashSet::new());
    while let Ok((_, from)) = upstream.recv_from(&mut octets) {
        ports.insert(from.port());
    }
    // One is left to connections.
    assert_eq!(ports.len(), 1);
}

#[tokio::test]
async fn neither_one_asker_nor_all_of_them_keep_others_and_the_validator_from_asking() {
    let upstream = silent();
    let shared = forwarder(means(), upstream.local_addr().unwrap()).0;
    let mut number = 0;
    let mut begins = |asker: Option<[u8; 4]>| {
        number += 1;
        let key = key(&format!("a{number}.elsewhere.example"));
        shared.begin(&key, &shared.groups[0], asker.map(IpAddr::from)).is_ok()
    };
    for asker in 1..=4 {
        let begun = (0..400).filter(|_| begins(Some([10, 0, 0, asker]))).count();
        assert_eq!(begun, UNDER_WAY_MAX_EACH, "asker {asker}");
    }
    assert!(!begins(Some([10, 0, 0, 5])), "there is no room left");
    assert!((0..UNDER_WAY_MAX).all(|_| begins(None)), "what the validator asks");
}

#[tokio::test]
async fn a_question_whose_thread_ends_is_not_under_way_for_ever() {
    let upstream = silent();
    let shared = forwarder(means(), upstream.local_addr().unwrap()).0;
    let under_way = |shared: &Shared| {
        let under_way = lock(&shared.under_way);
        (under_way.answers.len(), under_way.asked)
    };
    let there = Arc::clone(&shared);
    let begin = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let begun = runtime.block_on(async {
            let begun =
                there.begin(&key("a.elsewhere.example"), &there.groups[0], Some(IpAddr::from([10, 0, 0, 1]))).unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            begun
        });
        assert_eq!(under_way(&there), (1, 1));
        drop(runtime);
        begun
    };
    let begun = std::thread::spawn(begin).join().unwrap();
    assert!(begun.has_changed().is_err(), "whoever waits for it is told");
    assert_eq!(under_way(&shared), (0, 0));
    assert!(shared.begin(&key("a.elsewhere.example"), &shared.groups[0], None).is_ok());
}

/// A server that answers whatever it is asked, until nobody is left to ask it.
fn answering(says: impl Fn(&Key) -> Answer + Send + 'static) -> SocketAddr {
    let socket = silent();
    let address = socket.local_addr().unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    std::thread::spawn(move || {
        let (mut octets, mut out) = ([0; 512], Vec::new());
        while let Ok((length, from)) = socket.recv_from(&mut octets) {
            let query = PlainQuery::read(&octets[..length]).unwrap();
            let terms =
                Terms { age_secs: 0, ttl_max: 60, stale_ttl: None, octets_max: None, reason: None, options: &[] };
            says(&query.key).write(&query, &terms, &mut out);
            let _ = socket.send_to(&out, from);
        }
    });
    address
}

#[tokio::test]
async fn a_socket_that_takes_no_more_questions_is_closed_though_nobody_asks_again() {
    let means = Means { boot_ms: clock::boot_ms, ..means() };
    let sockets = Arc::clone(&means.sockets);
    let shared = forwarder(means, answering(an_answer)).0;
    let key = key("a.elsewhere.example");
    let outcome = shared.resolve(&key, None).await;
    assert_eq!((outcome.fate, sockets.available_permits()), (Fate::Asked, 1));
    // A second, and what is asked on our own a moment after the start.
    let closed = async {
        while sockets.available_permits() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(4), closed).await.unwrap();
}

#[test]
fn signatures_are_looked_at_where_no_datagrams_wait() {
    let others = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let domain: Fqdn = "corp.example".parse().unwrap();
    let corp = answering(|key| {
        let mut octets = Outgoing::build(key, 0, false).without_edns().octets;
        (octets[2], octets[7]) = (octets[2] | 0x80, 1);
        octets.extend_from_slice(b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x0f\x09elsewhere\x03net\0");
        Answer::from_message(&octets).unwrap()
    });
    let settings = Forwarding {
        routes: vec![Route { domains: vec![domain.clone()], upstreams: vec![corp.into()] }],
        anchors: Some(Anchors::read(None, &[domain]).unwrap()),
        ..Forwarding::default()
    };
    let within = others.enter();
    let means = Means { boot_ms: clock::boot_ms, sockets: Arc::new(Semaphore::new(64)) };
    let shared = Forwarder::by(means, &[answering(an_answer).into()], &settings, &Arc::default()).unwrap().0;
    drop(within);
    // As a thread of datagrams.
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = here.block_on(shared.resolve(&key("a.corp.example"), None));
    assert_eq!(outcome.answer.rcode(), Rcode::SERV_FAIL, "the end of its aliases is not signed");
    let homes = |group: usize| shared.groups[group].peers[0].lines.homes();
    assert_eq!(homes(1).first(), Some(&here.handle().id()));
    assert!(homes(0).iter().all(|home| *home == others.handle().id()), "whoever validates asks from where it is");
}
