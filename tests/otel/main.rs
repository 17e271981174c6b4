//! A build with the feature `otel`: spans of an exchange, as a collector gets them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../it/netns.rs"]
#[allow(dead_code, reason = "a part of the bench is used here")]
mod netns;
#[path = "../it/process.rs"]
#[allow(dead_code, reason = "a part of the bench is used here")]
mod process;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use leasehold::telemetry::kind_of;
use leasehold::telemetry::otlp::{Collector, Span};
use serde_json::{Value, json};

use crate::netns::Lab;
use crate::process::Running;

/// One demonstration at a time: each takes the ports that a person can remember.
static DEMONSTRATION: Mutex<()> = Mutex::new(());

/// The body of a request; it is answered.
fn take(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let end = all.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            if all.len() >= end + 4 + length? {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
                    .unwrap();
                return Some((head, all[end + 4..].to_vec()));
            }
        }
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => all.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
}

/// A collector: the requests that it is sent.
fn collector() -> (String, mpsc::Receiver<(String, Value)>) {
    collector_at(TcpListener::bind("127.0.0.1:0").unwrap())
}

fn collector_at(listener: TcpListener) -> (String, mpsc::Receiver<(String, Value)>) {
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (to, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let to = to.clone();
            std::thread::spawn(move || {
                while let Some((head, body)) = take(&mut stream) {
                    _ = to.send((head, serde_json::from_slice(&body).unwrap()));
                }
            });
        }
    });
    (url, requests)
}

fn number(span: &Value, key: &str) -> u64 {
    span[key].as_str().unwrap().parse().unwrap()
}

fn said<'v>(span: &'v Value, key: &str) -> Option<&'v str> {
    let found = span["attributes"].as_array()?.iter().find(|one| one["key"] == key)?;
    found["value"]["stringValue"].as_str()
}

#[test]
fn an_exchange_is_one_trace_from_the_packet_to_the_name_that_dns_holds() {
    let _alone = DEMONSTRATION.lock().unwrap_or_else(PoisonError::into_inner);
    let (url, requests) = collector();
    let mut command = Command::new(env!("CARGO_BIN_EXE_leasehold"));
    command.args(["demo", "--once"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", &url).env("OTEL_SERVICE_NAME", "demo");
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=home").stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // What was told before it ended was sent before.
    let all: Vec<(String, Value)> = requests.try_iter().collect();
    assert!(!all.is_empty(), "nothing was sent");
    for (head, body) in &all {
        assert!(head.starts_with("post /v1/traces ") && head.contains("x-tenant: home"), "{head}");
        assert_eq!(body["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "demo");
    }
    let spans: Vec<&Value> = all
        .iter()
        .flat_map(|(_, body)| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap())
        .collect();
    let named = |name: &str| -> Vec<&&Value> { spans.iter().filter(|span| span["name"] == name).collect() };
    assert_eq!((named("DHCPDISCOVER").len(), named("DHCPREQUEST").len()), (1, 1), "{spans:?}");
    let (discover, request) = (named("DHCPDISCOVER")[0], named("DHCPREQUEST")[0]);
    assert_eq!(discover["traceId"], request["traceId"], "one exchange");
    assert_eq!((request["parentSpanId"].as_str(), &request["kind"]), (Some(""), &2.into()));
    assert_eq!(said(request, "client.address"), Some("192.168.30.100"));
    assert_eq!(said(request, "lease.name"), Some("client1.nasir.xyz."));
    assert_eq!(said(request, "lease.event"), Some("bound"));
    for name in ["wait for its turn", "decide and store", "reply", "DNS holds the name", "DNS holds the address"] {
        let span = named(name).into_iter().find(|span| span["parentSpanId"] == request["spanId"]);
        let span = span.unwrap_or_else(|| panic!("no {name:?} of the REQUEST: {spans:?}"));
        assert_eq!(span["traceId"], request["traceId"], "{name}");
        let (begin, end) = (number(span, "startTimeUnixNano"), number(span, "endTimeUnixNano"));
        assert!(number(request, "startTimeUnixNano") <= begin && begin <= end, "{name}: {span}");
    }
    let mut ids: Vec<&str> = spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), spans.len(), "each span has a number of its own");
}

/// A DNS server that takes nothing at first, and everything from its third update on.
fn reluctant(socket: UdpSocket) {
    const UPDATE: u8 = 5;
    let (mut buffer, mut updates) = ([0; 4_096], 0);
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let answer = &mut buffer[..length];
        let is_update = answer.get(2).is_some_and(|flags| flags >> 3 & 0xf == UPDATE);
        updates += u32::from(is_update);
        let rcode = match (is_update, updates) {
            (true, 0..=2) => 2,
            (true, _) => 0,
            (false, _) => 5,
        };
        if let [_, _, flags, more, ..] = answer {
            (*flags, *more) = (*flags | 0x80, rcode);
        }
        // Whoever asked may have gone.
        _ = socket.send_to(answer, from);
    }
}

#[test]
fn each_update_that_a_dns_server_refuses_or_takes_is_a_part_of_the_exchange_that_it_came_of() {
    const CONFIG: &str = "[server]\nstore = \"/run/leasehold/store\"\ncontrol = \"/run/leasehold/control.sock\"\n\n\
        [ddns]\ndomain = \"nasir.xyz\"\nretry_first = \"1s\"\nretry_max = \"1s\"\n\n\
        [[zone]]\nname = \"nasir.xyz\"\nserver = \"127.0.0.1:5300\"\n\n\
        [[zone]]\nprefix = \"192.168.30.0/24\"\nserver = \"127.0.0.1:5300\"\n\n\
        [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n";
    let lab = Lab::new();
    let (server, client) = (lab.host("server"), lab.host("client"));
    lab.cable(&server, "eth0", &client, "eth0");
    server.ip("address add 192.168.30.1/24 dev eth0");
    server.write("/run/leasehold.toml", CONFIG);
    std::fs::create_dir_all(server.path("/run/leasehold")).unwrap();
    let (socket, listener) =
        server.inside(|| (UdpSocket::bind("127.0.0.1:5300").unwrap(), TcpListener::bind("127.0.0.1:4318").unwrap()));
    std::thread::spawn(move || reluctant(socket));
    let (url, requests) = collector_at(listener);
    let mut command = server.command(env!("CARGO_BIN_EXE_leasehold"));
    command.args(["run", "--config", "/run/leasehold.toml"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    let mut daemon = Running::start("leasehold with spans", &mut command);
    daemon.wait_log("ready: ", 1, Duration::from_secs(30));
    let mut asking =
        client.start("udhcpc", &["-f", "-i", "eth0", "-t", "50", "-T", "1", "-A", "1", "-x", "hostname:probe"]);
    asking.wait_log(" obtained from ", 1, Duration::from_secs(60));
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut spans: Vec<Value> = Vec::new();
    let of = |spans: &[Value], name: &str, answer: Option<&str>| -> Vec<Value> {
        let fits = |span: &&Value| span["name"] == name && answer.is_none_or(|is| said(span, "dns.answer") == Some(is));
        spans.iter().filter(fits).cloned().collect()
    };
    while of(&spans, "DNS holds the name", None).is_empty() || of(&spans, "DNS holds the address", None).is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        let (_, body) = requests.recv_timeout(left).unwrap_or_else(|_| panic!("{spans:?}\n{}", daemon.log()));
        spans.extend(body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().iter().cloned());
    }
    let request = &of(&spans, "DHCPREQUEST", None)[0];
    let (refused, taken) = (of(&spans, "DNS update", Some("SERVFAIL")), of(&spans, "DNS update", Some("NOERROR")));
    assert!(!refused.is_empty() && !taken.is_empty(), "{spans:?}");
    for span in refused.iter().chain(&taken) {
        assert_eq!((&span["traceId"], &span["parentSpanId"]), (&request["traceId"], &request["spanId"]), "{span}");
        assert_eq!(said(span, "server.address"), Some("127.0.0.1:5300"), "{span}");
        assert!(number(span, "startTimeUnixNano") <= number(span, "endTimeUnixNano"), "{span}");
    }
    let about = |name: &str| taken.iter().any(|span| said(span, "dns.question.name") == Some(name));
    assert!(about("probe.nasir.xyz.") && about("192.168.30.100"), "{taken:?}");
    assert!(refused.iter().any(|span| said(span, "dns.question.name") == Some("probe.nasir.xyz.")), "{refused:?}");
}

#[test]
fn nothing_is_sent_where_nobody_says_where_to_and_a_collector_that_is_away_holds_nothing_up() {
    let _alone = DEMONSTRATION.lock().unwrap_or_else(PoisonError::into_inner);
    let (url, requests) = collector();
    let run = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leasehold"));
        command.args(["demo", "--once"]).stdin(Stdio::null()).envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(&[]);
    run(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_SDK_DISABLED", "true")]);
    assert!(requests.try_recv().is_err());
    // A port that nobody has.
    run(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")]);
}

fn by_variables(variables: &[(&str, &str)]) -> Option<Collector> {
    let found = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Collector::from_variables(found)
}

#[test]
fn the_variables_of_the_specification_say_where_spans_go() {
    assert_eq!(by_variables(&[]), None);
    let one = by_variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@collector:4318/")]).unwrap();
    assert_eq!(one.url(), "http://user:secret@collector:4318/v1/traces");
    assert_eq!(one.shown(), "http://collector:4318");
    let other = by_variables(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b/traces"),
    ]);
    assert_eq!(other.unwrap().url(), "http://b/traces");
    assert_eq!(by_variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"), ("OTEL_SDK_DISABLED", "TRUE")]), None);
}

#[test]
fn a_span_is_written_as_the_protocol_wants_it() {
    let collector = by_variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a")]).unwrap();
    let attributes = vec![("client.address", "10.0.0.5".to_owned())];
    let span = Span { trace: 1, id: 2, parent: Some(3), name: "reply", begin: u64::MAX, end: 5, attributes };
    let body = collector.body(&[span]);
    let written = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(written["traceId"], "00000000000000000000000000000001");
    assert_eq!(
        (&written["spanId"], &written["parentSpanId"]),
        (&json!("0000000000000002"), &json!("0000000000000003"))
    );
    // A clock that is set back ends nothing before it began.
    assert_eq!(written["endTimeUnixNano"], "18446744073709551615");
    assert_eq!(said(written, "client.address"), Some("10.0.0.5"));
    assert_eq!(body["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "leasehold");
}

#[test]
fn the_kind_of_a_message_is_read_and_nonsense_is_none() {
    let with = |options: &[u8]| [&[0; 240][..], options].concat();
    assert_eq!(kind_of(&with(&[0, 61, 2, 1, 1, 53, 1, 3, 255])), "DHCPREQUEST");
    assert_eq!(kind_of(&with(&[53, 1, 99])), "DHCP");
    for nonsense in [&[][..], &[255, 53, 1, 1], &[61, 200, 53, 1, 1], &[53], &[53, 1]] {
        assert_eq!(kind_of(&with(nonsense)), "BOOTP", "{nonsense:?}");
    }
    assert_eq!(kind_of(&[]), "BOOTP");
}
