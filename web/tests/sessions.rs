//! Signing in and out, as a browser does it and as somebody does who means no good.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod served;

use std::sync::atomic::Ordering;

use served::{Answer, Served};
use web::access::{Accounts, Incident, User, passwords};
use web::{Given, Role};

const PASSWORD: &str = "correct horse";
const BROWSER: &str = "origin: http://localhost\r\nsec-fetch-site: same-origin\r\ncontent-type: application/json\r\n";

fn user(name: &str, role: Role, password: &str) -> User {
    User { name: name.into(), role, password_hash: passwords::hash(password, &[3; 16]).unwrap() }
}

fn accounts() -> Accounts {
    Accounts {
        users: vec![user("anna", Role::Operate, PASSWORD), user("otto", Role::View, "other horse")],
        ..Accounts::default()
    }
}

fn sign_in(served: &Served, name: &str, password: &str) -> Answer {
    let body = serde_json::json!({ "name": name, "password": password }).to_string();
    served.send("POST", "/api/v1/session", BROWSER, body.as_bytes())
}

/// The cookie that an answer sets, as it is sent back.
fn cookie(answer: &Answer) -> String {
    let line = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    format!("cookie: other=1; {}; more=2\r\n", line.split(';').next().unwrap())
}

#[test]
fn somebody_signs_in_is_known_and_signs_out() {
    let served = Served::to(accounts());
    let before = served.send("GET", "/api/v1/me", "", b"").json();
    assert_eq!((before["known_by"].as_str(), before["can_sign_in"].as_bool()), (Some("nobody"), Some(true)));
    assert_eq!(served.send("GET", "/api/v1/status", "", b"").status, 401);
    assert_eq!(served.send("GET", "/leases", "", b"").status, 200, "the page itself asks who one is");
    let answer = sign_in(&served, "anna", PASSWORD);
    assert_eq!(answer.status, 200, "{}", answer.head);
    let set = answer.head.lines().find(|line| line.starts_with("set-cookie")).unwrap();
    for mark in ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=604800"] {
        assert!(set.contains(mark), "{set}");
    }
    let cookie = cookie(&answer);
    let me = served.send("GET", "/api/v1/me", &cookie, b"").json();
    assert_eq!(
        (me["name"].as_str(), me["role"].as_str(), me["known_by"].as_str()),
        (Some("anna"), Some("operate"), Some("session"))
    );
    assert_eq!(me["actor"], serde_json::json!({ "kind": "user", "name": "anna", "address": "127.0.0.1" }));
    assert_eq!(served.send("GET", "/api/v1/status", &cookie, b"").status, 200);
    let word = format!("x-csrf-token: {}\r\n", me["csrf"].as_str().unwrap());
    // Another site's page cannot even sign her out.
    for (headers, what) in [
        (cookie.clone(), "no origin"),
        (format!("{cookie}{BROWSER}"), "no word"),
        (format!("{cookie}{word}origin: http://evil.example\r\n"), "another origin"),
        (format!("{cookie}{word}sec-fetch-site: cross-site\r\n"), "another site"),
        (format!("{cookie}{BROWSER}x-csrf-token: guess\r\n"), "another word"),
    ] {
        assert_eq!(served.send("DELETE", "/api/v1/session", &headers, b"").status, 403, "{what}");
    }
    let out = served.send("DELETE", "/api/v1/session", &format!("{cookie}{word}{BROWSER}"), b"");
    assert!(out.status == 204 && out.head.contains("Max-Age=0"), "{}", out.head);
    assert_eq!(served.send("GET", "/api/v1/status", &cookie, b"").status, 401);
    let told = served.world.told.lock().unwrap().clone();
    let (name, address) = ("anna".to_owned(), "127.0.0.1".parse().unwrap());
    assert_eq!(told, [Incident::SignedIn { name: name.clone(), address }, Incident::SignedOut { name, address }]);
}

#[test]
fn wrong_passwords_and_unknown_names_are_told_alike_and_slowed_down() {
    let served = Served::to(accounts());
    let mut details = Vec::new();
    for (name, password) in [("anna", "wrong horse"), ("nobody", PASSWORD), ("", ""), ("anna", ""), ("Anna", PASSWORD)]
    {
        let answer = sign_in(&served, name, password);
        assert_eq!(answer.status, 401, "{name}");
        assert!(!answer.head.contains("set-cookie"), "{}", answer.head);
        details.push(answer.json()["detail"].as_str().unwrap().to_owned());
    }
    details.dedup();
    assert_eq!(details.len(), 1, "{details:?}");
    let held = sign_in(&served, "anna", PASSWORD);
    assert!(held.status == 429 && held.head.contains("retry-after: 1"), "{}", held.head);
    served.world.secs.store(1, Ordering::SeqCst);
    assert_eq!(sign_in(&served, "anna", PASSWORD).status, 200);
    served.world.secs.store(2, Ordering::SeqCst);
    assert_eq!(sign_in(&served, "anna", "wrong horse").status, 401, "signing in was not counted");
    served.world.secs.store(3, Ordering::SeqCst);
    assert_eq!(sign_in(&served, "anna", PASSWORD).status, 429, "and took nothing back but itself");
    let told = served.world.told.lock().unwrap();
    assert!(!format!("{told:?}").contains("horse") && !format!("{told:?}").contains("Anna"), "{told:?}");
    assert!(told.iter().any(|one| matches!(one, Incident::HeldOff { .. })), "{told:?}");
}

#[test]
fn a_crowd_that_signs_in_is_bounded_and_guesses_at_once_are_not_free() {
    let served = Served::to(accounts());
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let attempts: Vec<_> =
            (0..24).map(|_| scope.spawn(|| sign_in(&served, "anna", "wrong horse").status)).collect();
        attempts.into_iter().map(|attempt| attempt.join().unwrap()).collect()
    });
    let of = |code| statuses.iter().filter(|status| **status == code).count();
    assert_eq!(of(401), 5, "{statuses:?}");
    assert_eq!(of(401) + of(429) + of(503), 24, "{statuses:?}");
}

#[test]
fn a_session_ends_with_the_password_the_user_and_the_time_and_a_role_holds_at_once() {
    let served = Served::to(accounts());
    let [anna, otto] =
        [("anna", PASSWORD), ("otto", "other horse")].map(|(name, password)| cookie(&sign_in(&served, name, password)));
    let role = |cookie: &str| served.send("GET", "/api/v1/me", cookie, b"").json()["role"].as_str().map(str::to_owned);
    assert_eq!((role(&anna).as_deref(), role(&otto).as_deref()), (Some("operate"), Some("view")));
    let mut changed = accounts();
    changed.users[1].role = Role::Administer;
    served.access.replace(changed.clone());
    assert_eq!((role(&anna).as_deref(), role(&otto).as_deref()), (Some("operate"), Some("administer")));
    changed.users[1] = user("otto", Role::Administer, "third horse");
    served.access.replace(changed.clone());
    assert_eq!((role(&anna).as_deref(), role(&otto)), (Some("operate"), None));
    served.world.secs.store(12 * 3_600, Ordering::SeqCst);
    assert_eq!(role(&anna), None);
    let again = cookie(&sign_in(&served, "anna", PASSWORD));
    assert_eq!(role(&again).as_deref(), Some("operate"));
    changed.users.remove(0);
    served.access.replace(changed);
    assert_eq!(role(&again), None);
}

#[test]
fn a_stream_tells_nothing_more_once_its_session_is_over() {
    use std::io::{Read, Write};
    let served = Served::to(accounts());
    let cookie = cookie(&sign_in(&served, "otto", "other horse"));
    let mut stream = served.connect();
    write!(stream, "GET /api/v1/events/stream HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{cookie}\r\n")
        .unwrap();
    let mut text = String::new();
    let mut part = [0; 4_096];
    while !text.contains("event: hello") {
        let read = stream.read(&mut part).unwrap();
        text.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    served.access.replace(Accounts::default());
    let (title, detail) = ("after".to_owned(), String::new());
    served.feed.push([Given { at: 1, kind: "dns", level: web::model::Level::Info, title, detail, lease: None }]);
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("after"), "{rest}");
}

#[test]
fn bodies_are_bounded_and_their_faults_told() {
    let served = Served::to(accounts());
    let send = |kind: &str, body: &[u8]| {
        let kind = if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
        let answer = served.send("POST", "/api/v1/session", &kind, body);
        assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
        assert_eq!(answer.json()["status"], answer.status);
        answer.status
    };
    assert_eq!(send("application/json", b"{"), 400);
    assert_eq!(send("application/json", b"\xff\x00"), 400);
    assert_eq!(send("application/json", b"{\"name\": 1, \"password\": \"x\"}"), 422);
    assert_eq!(send("application/json", b"[]"), 422);
    assert_eq!(send("text/plain", b"{\"name\": \"anna\", \"password\": \"x\"}"), 415, "what a form could send");
    assert_eq!(send("", b"{}"), 415);
    assert_eq!(send("application/json", format!("\"{}\"", "x".repeat(70_000)).as_bytes()), 413);
    assert_eq!(send("application/json; charset=utf-8", b"{\"name\": \"anna\", \"password\": \"x\"}"), 401);
}
