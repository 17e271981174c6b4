//! Roles by routes: every route refuses whom it should, and the daemon hears nothing of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod served;

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use served::Served;
use web::access::{Accounts, Incident, Need, Token, token_hash, token_text};
use web::{Role, Route};

fn text(role: Role) -> String {
    token_text([role as u8; 32])
}

fn token(role: Role) -> Token {
    let hash = token_hash(&text(role));
    Token { name: format!("may-{role}"), role, hash, expires_at: None, addresses: Vec::new() }
}

fn served() -> Served {
    Served::to(Accounts { tokens: Role::ALL.map(token).to_vec(), ..Accounts::default() })
}

/// A path with something in the place of each name in braces.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap();
        let value = match name {
            "network" | "address" => "10.20.8.0",
            "length" => "24",
            _ => "nas",
        };
        filled = format!("{filled}{before}{value}");
        rest = after;
    }
    filled + rest
}

fn send(served: &Served, route: &Route, more: &str) -> u16 {
    // A stream does not end by itself; only its beginning is looked at.
    if route.path.ends_with("/stream") {
        use std::io::{Read, Write};
        let mut stream = served.connect();
        write!(stream, "{} {} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n", route.method, route.path).unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).unwrap();
        return std::str::from_utf8(&begin[9..]).unwrap().parse().unwrap();
    }
    let kind = "content-type: application/json\r\n";
    served.send(route.method, &filled(&route.path), &format!("{kind}{more}"), b"{}").status
}

#[test]
fn every_route_refuses_whom_it_should_and_the_daemon_hears_nothing_of_it() {
    let served = served();
    let routes = web::routes();
    assert!(routes.len() > 15 && routes.iter().any(|route| route.need == Need::VIEW));
    for route in &routes {
        let what = format!("{} {}", route.method, route.path);
        let before = served.asked.load(Ordering::SeqCst);
        let status = send(&served, route, "");
        match route.need {
            Need::Nobody => assert!(status != 403, "{what}: {status}"),
            Need::Role(_) => {
                assert_eq!(status, 401, "{what}");
                assert_eq!(served.asked.load(Ordering::SeqCst), before, "{what} asked the daemon");
            }
        }
        for role in Role::ALL {
            let before = served.asked.load(Ordering::SeqCst);
            let status = send(&served, route, &format!("authorization: Bearer {}\r\n", text(role)));
            match route.need {
                Need::Role(needed) if role < needed => {
                    assert_eq!(status, 403, "{what} as {role}");
                    assert_eq!(served.asked.load(Ordering::SeqCst), before, "{what} as {role} asked the daemon");
                }
                Need::Role(_) => assert!(!matches!(status, 401 | 403 | 405 | 500), "{what} as {role}: {status}"),
                Need::Nobody => assert!(!matches!(status, 403 | 500), "{what} as {role}: {status}"),
            }
        }
    }
}

#[test]
fn the_description_says_of_each_route_who_may_and_how_it_is_refused() {
    let described: serde_json::Value = serde_json::from_str(&web::openapi()).unwrap();
    let mut operations = 0;
    for (path, item) in described["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let route = web::routes()
                .into_iter()
                .find(|route| route.path == *path && route.method.eq_ignore_ascii_case(method));
            let route = route.unwrap_or_else(|| panic!("{method} {path} is in no table"));
            let answers = operation["responses"].as_object().unwrap();
            if let Need::Role(role) = route.need {
                assert!(operation["security"].is_array(), "{method} {path}");
                assert!(answers.contains_key("401") && answers.contains_key("403"), "{method} {path}");
                assert!(operation["description"].as_str().unwrap().contains(&format!("`{role}`")), "{method} {path}");
            }
            if method != "get" {
                for code in ["403", "409", "412", "413", "415", "422"] {
                    assert!(answers.contains_key(code), "{method} {path}: {code}");
                }
            }
            for (code, answer) in answers.iter().filter(|(code, _)| code.starts_with(['4', '5'])) {
                let kinds: Vec<&String> = answer["content"].as_object().unwrap().keys().collect();
                assert_eq!(kinds, ["application/problem+json"], "{method} {path}: {code}");
            }
        }
    }
    assert_eq!(operations, web::routes().len());
}

#[test]
fn a_route_that_changes_something_is_for_nobody_who_may_only_look() {
    for route in web::routes() {
        // The session is for whoever has none, and what commands ask to see needs more words than fit in an address.
        let changes_nothing = matches!(route.path.as_str(), "/api/v1/session" | "/api/v1/commands/view");
        if route.method != "GET" && !changes_nothing {
            assert!(route.need >= Need::OPERATE, "{} {}", route.method, route.path);
        }
    }
}

#[test]
fn a_right_token_is_taken_however_many_wrong_ones_came_from_there() {
    let served = Served::to(Accounts { tokens: vec![token(Role::View)], ..Accounts::default() });
    let ask =
        |text: &str| served.send("GET", "/api/v1/status", &format!("authorization: Bearer {text}\r\n"), b"").status;
    let statuses: Vec<u16> = (0..9).map(|guess| ask(&format!("lhd_{guess}"))).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429, 429]);
    assert_eq!(ask(&text(Role::View)), 200);
    // Nor do wrong tokens keep people from signing in.
    let body = br#"{"name":"anna","password":"wrong"}"#;
    let headers = "content-type: application/json\r\nsec-fetch-site: same-origin\r\n";
    assert_eq!(served.send("POST", "/api/v1/session", headers, body).status, 401);
}

#[test]
fn a_wrong_token_is_refused_and_slowed_down() {
    let mut over = token(Role::View);
    (over.name, over.hash, over.expires_at) = ("over".into(), token_hash("lhd_over"), Some(5));
    let mut elsewhere = token(Role::View);
    let block: (IpAddr, IpAddr) = ("10.0.0.0".parse().unwrap(), "10.0.0.255".parse().unwrap());
    (elsewhere.name, elsewhere.hash, elsewhere.addresses) =
        ("elsewhere".into(), token_hash("lhd_elsewhere"), vec![block]);
    let served = Served::to(Accounts {
        tokens: vec![over, elsewhere, token(Role::View)],
        ..Accounts::open_to_this_machine(Role::View)
    });
    let ask = |authorization: &str| {
        let answer = served.send("GET", "/api/v1/status", &format!("authorization: {authorization}\r\n"), b"");
        (answer.status, answer.json()["detail"].as_str().unwrap_or_default().to_owned(), answer.head)
    };
    served.world.secs.store(4, Ordering::SeqCst);
    assert_eq!(ask("Bearer lhd_over").0, 200);
    served.world.secs.store(5, Ordering::SeqCst);
    for (authorization, words) in [
        ("Bearer lhd_over", "is over"),
        ("Bearer lhd_elsewhere", "from your address"),
        ("Bearer lhd_guess", "none of this server's"),
        ("Basic YTpi", "Bearer TOKEN"),
        ("Bearer", "none of this server's"),
    ] {
        let (status, detail, head) = ask(authorization);
        assert!(status == 401 && detail.contains(words), "{authorization}: {status} {detail}");
        assert!(head.contains("www-authenticate: Bearer"), "{head}");
    }
    let (status, _, head) = ask("Bearer lhd_guess");
    assert!(status == 429 && head.contains("retry-after: 1"), "{head}");
    let told = served.world.told.lock().unwrap();
    assert_eq!(told.iter().filter(|one| matches!(one, Incident::WrongToken { .. })).count(), 5, "{told:?}");
    assert_eq!(told.iter().filter(|one| matches!(one, Incident::HeldOff { .. })).count(), 1, "{told:?}");
    assert!(!format!("{told:?}").contains("lhd_"), "a secret is told: {told:?}");
}

#[test]
fn who_is_on_this_machine_is_known_by_that_but_not_through_a_proxy() {
    let served =
        Served::to(Accounts { loopback_role: Some(Role::Operate), ..served().access.accounts().as_ref().clone() });
    let me = |more: &str| served.send("GET", "/api/v1/me", more, b"").json();
    let here = me("");
    assert_eq!((here["known_by"].as_str(), here["role"].as_str()), (Some("local"), Some("operate")), "{here}");
    for more in
        ["x-forwarded-for: 192.0.2.1\r\n", "forwarded: for=192.0.2.1\r\n", "via: 1.1 proxy\r\n", "host: dhcp.lan\r\n"]
    {
        let elsewhere = me(more);
        assert_eq!(
            (elsewhere["known_by"].as_str(), &elsewhere["role"]),
            (Some("nobody"), &serde_json::Value::Null),
            "{more}"
        );
        assert_eq!(served.send("GET", "/api/v1/leases", more, b"").status, 401, "{more}");
    }
    let script = me(&format!("authorization: Bearer {}\r\n", text(Role::View)));
    assert_eq!((script["known_by"].as_str(), script["name"].as_str()), (Some("token"), Some("may-view")), "{script}");
    assert_eq!(script["actor"]["kind"], "token", "{script}");
}
