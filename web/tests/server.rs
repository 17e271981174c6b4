//! The server as a browser and as somebody who means no good meet it, over real connections.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod served;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use served::{Served, status};
use web::model::Level;
use web::{Ask, Given};

fn assets(served: &Served) -> String {
    let (_, page) = served.text("/");
    let at = page.find("/assets/").unwrap();
    page[at..].split('/').take(3).collect::<Vec<_>>().join("/")
}

#[test]
fn what_the_router_refuses_by_itself_is_a_problem_too() {
    let served = Served::with(|_| ());
    for (method, path, status) in
        [("GET", "/api/v1/hosts/%ff", 400), ("PATCH", "/api/v1/status", 405), ("GET", "/api/v1/nothing", 404)]
    {
        let answer = served.send(method, path, "", b"");
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.head.contains("content-type: application/problem+json"), "{method} {path}: {}", answer.head);
        assert_eq!(answer.json()["status"], status, "{method} {path}");
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        assert_eq!(answer.head.contains("allow: GET,HEAD"), status == 405, "{}", answer.head);
    }
}

#[test]
fn every_answer_forbids_what_a_foreign_page_could_do() {
    let served = Served::new();
    let script = format!("{}/js/main.js", assets(&served));
    for path in ["/", "/leases", "/api/v1/status", "/api/v1/nothing", "/health", script.as_str()] {
        let (_, head, _) = served.ask(path, "");
        let policy = head.lines().find(|line| line.starts_with("content-security-policy:")).unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
        assert!(head.contains("x-content-type-options: nosniff"), "{path}");
        assert!(!head.contains("access-control-allow"), "{path}");
    }
}

#[test]
fn a_name_that_leads_here_by_somebody_elses_dns_is_refused() {
    let served = Served::new();
    for host in ["evil.example", "evil.example:8067", "192.168.1.1", "localhost.evil.example"] {
        let (status, _, body) = served.ask("/api/v1/status", &format!("host: {host}\r\n"));
        assert_eq!(status, 421, "{host}");
        assert!(!String::from_utf8_lossy(&body).contains("All is well"));
    }
    assert_eq!(served.ask("/api/v1/status", "host: 127.0.0.1:8067\r\n").0, 200);
}

#[test]
fn a_page_of_another_site_is_refused_and_a_link_to_here_is_followed() {
    let served = Served::new();
    let foreign = "sec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\n";
    assert_eq!(served.ask("/api/v1/status", foreign).0, 403);
    assert_eq!(served.ask("/", "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\n").0, 200);
    assert_eq!(served.ask("/api/v1/status", "sec-fetch-site: same-origin\r\nsec-fetch-mode: cors\r\n").0, 200);
}

#[test]
fn files_are_packed_kept_for_ever_and_of_one_version() {
    let served = Served::new();
    let assets = assets(&served);
    let path = format!("{assets}/js/main.js");
    let (status, head, packed) = served.ask(&path, "accept-encoding: gzip, br\r\n");
    assert_eq!(status, 200);
    assert!(head.contains("content-encoding: gzip") && head.contains("immutable"), "{head}");
    let (_, head, plain) = served.ask(&path, "");
    assert!(!head.contains("content-encoding") && plain.len() > packed.len());
    assert!(String::from_utf8(plain).unwrap().contains("import"));
    let (_, head, _) = served.ask("/", "");
    assert!(head.contains("cache-control: no-cache"), "{head}");
    for path in
        ["/assets/0000000000000000/js/main.js", &format!("{assets}/js/none.js"), &format!("{assets}/../../etc/passwd")]
    {
        assert_eq!(served.ask(path, "").0, 404, "{path}");
    }
}

/// What a browser fetches for the first view, fonts left out: what the page names, and what is imported from there.
fn first_view() -> Vec<String> {
    let assets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let read = |name: &str| std::fs::read_to_string(assets.join(name)).unwrap();
    let page = read("index.html");
    let named = page.split("/assets/@VERSION@/").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let mut found: Vec<String> = named.filter(|name| !name.ends_with(".woff2")).collect();
    // The plots' library is fetched beside the view that shows them.
    found.extend(["index.html", "vendor/icons.svg", "vendor/uplot.mjs"].map(str::to_owned));
    let mut at = 0;
    while at < found.len() {
        let name = found[at].clone();
        at += 1;
        if !name.ends_with("js") {
            continue;
        }
        let text = read(&name);
        let imports = text.split(" from '").chain(text.split(" from \"")).chain(text.split("from\"")).skip(1);
        for path in imports.filter_map(|rest| rest.split(['\'', '"']).next()).filter(|path| path.starts_with('.')) {
            let mut parts: Vec<&str> = name.split('/').collect();
            parts.pop();
            for part in path.split('/') {
                match part {
                    "." => {}
                    ".." => _ = parts.pop(),
                    part => parts.push(part),
                }
            }
            let imported = parts.join("/");
            if !found.contains(&imported) && assets.join(&imported).is_file() {
                found.push(imported);
            }
        }
    }
    found
}

#[test]
fn the_page_weighs_less_than_300_kilobytes_and_its_first_view_less_than_120_without_fonts() {
    let all = web::compressed_bytes(|name| name != "vendor/LICENSES.txt");
    assert!(all < 300_000, "{all} bytes");
    let fetched = first_view();
    let has = |name: &str| fetched.iter().any(|one| one == name);
    assert!(has("js/views/overview.js") && has("vendor/preact.mjs") && !has("js/views/zones.js"), "{fetched:?}");
    let first = web::compressed_bytes(|name| fetched.iter().any(|one| one == name));
    assert!(first < 120_000, "{first} bytes: {fetched:?}");
    assert!(web::file_names().any(|name| name == "vendor/LICENSES.txt"), "what others wrote goes with its licences");
}

#[test]
fn no_file_of_the_page_names_another_host() {
    for name in web::file_names().filter(|name| !name.starts_with("vendor/")) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let named = text.match_indices("http").filter(|(at, _)| {
            let rest = &text[*at..];
            (rest.starts_with("http://") || rest.starts_with("https://")) && !rest.starts_with("http://www.w3.org/")
        });
        assert_eq!(named.count(), 0, "{name}");
    }
}

#[test]
fn what_is_asked_wrongly_is_told_in_json() {
    let served = Served::new();
    for (path, code, words) in [
        ("/api/v1/leases?sort=colour", 400, "none of address, name"),
        ("/api/v1/leases?state=gone", 400, "none of bound"),
        ("/api/v1/leases?limit=0", 400, "from 1 to 200"),
        ("/api/v1/leases?limit=9999", 400, "from 1 to 200"),
        ("/api/v1/leases?offset=-1", 400, "offset"),
        ("/api/v1/history?range=2h", 400, "range"),
        ("/api/v1/subnets/10.0.0.0/24/map?from=x", 400, "from"),
        ("/api/v1/hosts/nobody", 404, "no nobody"),
        ("/api/v1/nothing", 404, "no such route"),
    ] {
        let (status, text) = served.text(path);
        let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"));
        assert_eq!(status, code, "{path}: {text}");
        assert!(body["detail"].as_str().unwrap().contains(words), "{path}: {text}");
    }
    let long = "x".repeat(600);
    assert_eq!(served.text(&format!("/api/v1/leases?q={long}")).0, 400);
    assert_eq!(served.text(&format!("/api/v1/explain?of={long}")).0, 400);
}

#[test]
fn what_can_only_be_read_takes_no_other_method() {
    let served = Served::new();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/", "/api/v1/leases", "/api/v1/configuration"] {
            let mut stream = served.connect();
            write!(
                stream,
                "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 405"), "{method} {path}: {answer}");
        }
    }
}

#[test]
fn a_crowd_of_questions_is_told_to_come_again_and_others_are_served() {
    let served = Served::silent();
    // One is taken and never answered, four wait behind it.
    let waiting: Vec<TcpStream> = (0..5)
        .map(|_| {
            let mut stream = served.connect();
            stream.write_all(b"GET /api/v1/zones HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            std::thread::sleep(Duration::from_millis(50));
            stream
        })
        .collect();
    let (code, head, body) = served.ask("/api/v1/status", "");
    assert_eq!(code, 503, "{head}");
    assert!(head.contains("retry-after: 1") && String::from_utf8_lossy(&body).contains("ask again"), "{head}");
    assert_eq!(served.text("/health"), (200, "ok\n".to_owned()));
    assert_eq!(served.text("/").0, 200);
    drop(waiting);
}

#[test]
fn a_daemon_is_ready_while_its_store_has_room() {
    let served = Served::new();
    assert_eq!(served.text("/ready"), (200, "ready\n".to_owned()));
    let full = Served::with(|ask| {
        if let Ask::Status(to) = ask {
            let mut status = status();
            status.storage.full = true;
            drop(to.send(Ok(status)));
        }
    });
    assert_eq!(full.text("/ready").0, 503);
    let ending = Served::with(drop::<Ask>);
    assert_eq!(ending.text("/ready").0, 503);
    assert_eq!(ending.text("/health").0, 200);
}

#[test]
fn a_head_that_is_too_large_is_refused_and_nonsense_is_closed() {
    let served = Served::new();
    let (status, ..) = served.ask("/", &format!("x-long: {}\r\n", "y".repeat(40_000)));
    assert_eq!(status, 431);
    let mut stream = served.connect();
    stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
}

fn given(title: &str) -> Given {
    let (title, detail) = (title.to_owned(), String::new());
    Given { at: 1, kind: "dns", level: Level::Info, title, detail, lease: None }
}

/// Reads a stream until it holds `needle`.
fn read_until(stream: &mut TcpStream, needle: &str) -> String {
    let mut text = String::new();
    let mut part = [0; 4_096];
    while !text.contains(needle) {
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "ended before {needle:?}: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    text
}

#[test]
fn a_stream_goes_on_where_it_was_left_and_tells_of_a_gap() {
    let served = Served::new();
    let open = |last: &str| {
        let mut stream = served.connect();
        let last = if last.is_empty() { String::new() } else { format!("last-event-id: {last}\r\n") };
        write!(stream, "GET /api/v1/events/stream HTTP/1.1\r\nhost: localhost\r\n{last}\r\n").unwrap();
        stream
    };
    let mut first = open("");
    read_until(&mut first, "event: hello");
    served.feed.push([given("one"), given("two")]);
    let text = read_until(&mut first, "id: run-2");
    assert!(text.contains("\"title\":\"one\"") && text.contains("\"title\":\"two\""), "{text}");
    drop(first);
    served.feed.push([given("three")]);
    let text = read_until(&mut open("run-2"), "three");
    assert!(!text.contains("\"two\"") && !text.contains("event: gap"), "{text}");
    read_until(&mut open("other-2"), "event: gap");
    served.feed.push((0..2_000).map(|at| given(&at.to_string())));
    read_until(&mut open("run-2"), "event: gap");
}

#[test]
fn streams_are_bounded_and_leave_room_for_requests() {
    let served = Served::new();
    let mut streams = Vec::new();
    for _ in 0..32 {
        let mut stream = served.connect();
        stream.write_all(b"GET /api/v1/events/stream HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        read_until(&mut stream, "event: hello");
        streams.push(stream);
    }
    assert_eq!(served.text("/api/v1/events/stream").0, 503);
    assert_eq!(served.text("/health").0, 200);
    streams.clear();
    // The places are given back once the server has seen the ends.
    served.feed.push([given("now")]);
    let mut again = served.connect();
    for _ in 0..50 {
        again = served.connect();
        again.write_all(b"GET /api/v1/events/stream HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut part = [0; 64];
        let read = again.read(&mut part).unwrap();
        if part[..read].starts_with(b"HTTP/1.1 200") {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(again);
    panic!("no place was given back");
}
