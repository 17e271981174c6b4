//! Any body on any route that takes one: the server answers with a problem or does it, and goes on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod served;

use proptest::prelude::*;
use served::Served;
use web::Ask;
use web::access::{Accounts, Token, token_hash, token_text};
use web::{Refusal, Role, Route};

fn served() -> Served {
    let hash = token_hash(&token_text([1; 32]));
    let token = Token { name: "t".into(), role: Role::Administer, hash, expires_at: None, addresses: Vec::new() };
    Served::build(Accounts { tokens: vec![token], ..Accounts::default() }, |ask| {
        // What becomes of a request that can be read is the daemon's matter.
        if let Ask::Command(.., to) = ask {
            drop(to.send(Err(Refusal::Unfit("no request".to_owned()))));
        }
    })
}

/// Bytes that are no JSON, JSON that is cut short, and JSON that has nothing to do with the route.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        ".{0,40}".prop_map(serde_json::Value::from),
    ];
    let names = prop_oneof![Just("name".to_owned()), Just("password".to_owned()), "[a-z]{1,12}"];
    let value = leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    });
    let text = value.prop_map(|value| value.to_string().into_bytes());
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        (text.clone(), 0_usize..200).prop_map(|(text, end)| text[..end.min(text.len())].to_vec()),
        text,
        // As deep as fits.
        (1_usize..20_000).prop_map(|deep| [vec![b'['; deep], vec![b']'; deep]].concat()),
    ]
}

fn writing() -> Vec<Route> {
    web::routes().into_iter().filter(|route| route.method != "GET").collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_sent_is_answered_and_nothing_falls_over(body in body(), which in any::<prop::sample::Index>(), json in any::<bool>()) {
        thread_local!(static SERVED: Served = served());
        let routes = writing();
        let route = which.get(&routes);
        let kind = if json { "content-type: application/json\r\n" } else { "content-type: text/plain\r\n" };
        let known = format!("authorization: Bearer {}\r\n", token_text([1; 32]));
        let path = route.path.replace("{", "").replace("}", "");
        // Who signs in wrongly too often waits, and with them whoever comes from there.
        let answer = SERVED.with(|served| {
            served.world.secs.fetch_add(3_600, std::sync::atomic::Ordering::SeqCst);
            served.send(route.method, &path, &format!("{kind}{known}"), &body)
        });
        // What can be read is the daemon's matter; the one here drops what it does not know, and is taken to be ending.
        let is_dropped = answer.status == 503 && answer.json()["detail"] == "the daemon is ending";
        prop_assert!(answer.status < 500 || is_dropped, "{} {path}: {} {}", route.method, answer.head, String::from_utf8_lossy(&answer.body));
        if answer.status >= 400 {
            prop_assert!(answer.head.contains("application/problem+json"), "{}", answer.head);
            prop_assert!(answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        }
    }
}
