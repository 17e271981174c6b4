//! Lease events told outside: posted to an address, signed and tried again, and given to a program. None delays a reply.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use config::settings::HookSecret;
use serde_json::Value;

use crate::asker::Asker;
use crate::field::{self, RELAY};
use crate::leasehold::Leasehold;
use crate::netns::{Host, Lab};
use crate::process::wait_for;

const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &str = "a secret that both sides have";

/// A request as it came.
struct Post {
    head: String,
    body: Vec<u8>,
}

impl Post {
    fn header(&self, name: &str) -> String {
        let line = self.head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head)).split_once(": ").unwrap().1.to_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Answers posts with these statuses, the last one for ever.
fn receiver(host: &Host, statuses: &'static [u16]) -> (u16, Receiver<Post>) {
    let listener = host.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    let (sender, posts) = channel();
    std::thread::spawn(move || {
        for (at, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let mut text = Vec::new();
            let mut buffer = [0; 4_096];
            let (head, body) = loop {
                let Ok(length @ 1..) = stream.read(&mut buffer) else { break (String::new(), Vec::new()) };
                text.extend_from_slice(&buffer[..length]);
                let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                let head = String::from_utf8_lossy(&text[..end]).into_owned();
                let length =
                    head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                if text.len() >= end + 4 + length.unwrap_or(0) {
                    break (head, text[end + 4..].to_vec());
                }
            };
            let status = statuses[at.min(statuses.len() - 1)];
            _ = stream
                .write_all(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes());
            if sender.send(Post { head, body }).is_err() {
                return;
            }
        }
    });
    (port, posts)
}

#[test]
fn posts_are_signed_come_in_order_and_are_tried_again() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let (port, posts) = receiver(&server, &[503, 204]);
    let hook = format!(
        "[[hook]]\nname = \"inventory\"\nurl = \"http://127.0.0.1:{port}/leases\"\nsecret = \"{SECRET}\"\n\
         events = [\"bound\", \"renewed\"]\n"
    );
    let mut daemon = Leasehold::start(&server, &format!("{}\n{hook}", field::config(false)));
    let mut asker = Asker::new(&relay, RELAY, true);
    let first = asker.take(1, PATIENCE).unwrap();
    asker.renew(1, first.yiaddr).unwrap();
    let second = asker.take(2, PATIENCE).unwrap();
    let got: Vec<Post> = (0..4).map(|_| posts.recv_timeout(PATIENCE).unwrap()).collect();
    let told: Vec<(String, String)> = got
        .iter()
        .map(|post| {
            let json = post.json();
            (json["event"].as_str().unwrap().to_owned(), json["lease"]["address"].as_str().unwrap().to_owned())
        })
        .collect();
    let (one, two) = (first.yiaddr.to_string(), second.yiaddr.to_string());
    let expected = [("bound", &one), ("bound", &one), ("renewed", &one), ("bound", &two)];
    assert_eq!(told, expected.map(|(event, address)| (event.to_owned(), address.clone())));
    assert_eq!(got[0].body, got[1].body, "what was refused for now comes again");
    assert_eq!(got[0].header("idempotency-key"), got[1].header("idempotency-key"));
    assert_ne!(got[1].header("idempotency-key"), got[2].header("idempotency-key"));
    for post in &got {
        assert!(post.head.starts_with("POST /leases HTTP/1.1"), "{}", post.head);
        let at = post.header("x-leasehold-time").parse().unwrap();
        let secret = HookSecret(SECRET.as_bytes().to_vec());
        let signature = leasehold::hooks::sign::signature(&secret, at, &post.body);
        assert_eq!(Some(post.header("x-leasehold-signature")), signature);
    }
    daemon.stop();
}

#[test]
fn a_program_is_given_the_event_and_what_hangs_delays_no_reply() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let script = "#!/bin/sh\n{ echo \"$1 $LEASEHOLD_EVENT $LEASEHOLD_ADDRESS $LEASEHOLD_HARDWARE\"; cat; echo; \
                  grep -E '^CapEff' /proc/self/status; echo end; } >> /run/leasehold/heard\n";
    server.write("/run/on-lease", script);
    std::fs::set_permissions(server.path("/run/on-lease"), std::fs::Permissions::from_mode(0o755)).unwrap();
    // Somebody takes the connection and never says a word.
    let silent = server.inside(|| TcpListener::bind("127.0.0.1:0").unwrap());
    let hooks = format!(
        "[[hook]]\ncommand = [\"/run/on-lease\", \"an argument\"]\n\
         [[hook]]\nname = \"silent\"\nurl = \"http://127.0.0.1:{}/\"\ntimeout = \"2s\"\nretries = 0\nqueue = 2\n\
         [[hook]]\nname = \"gone\"\ncommand = [\"/run/no-such-program\"]\n\
         [[hook]]\nname = \"slow\"\ncommand = [\"/bin/sleep\", \"60\"]\ntimeout = \"1s\"\nretries = 0\n",
        silent.local_addr().unwrap().port()
    );
    let mut daemon = Leasehold::start(&server, &format!("{}\n{hooks}", field::config(false)));
    let mut asker = Asker::new(&relay, RELAY, true);
    let begun = Instant::now();
    let addresses: Vec<String> =
        (1..=8).map(|client| asker.take(client, PATIENCE).unwrap().yiaddr.to_string()).collect();
    // Eight clients with four messages each, while one hook hangs for 2 s with each event and another for 1 s.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let heard = wait_for("the program has heard of all", PATIENCE, || {
        let text = std::fs::read_to_string(server.path("/run/leasehold/heard")).ok()?;
        (text.matches("end\n").count() == 8).then_some(text)
    });
    for address in &addresses {
        assert!(heard.contains(&format!("an argument bound {address} ")), "{heard}");
        assert!(heard.contains(&format!("\"address\":\"{address}\"")), "{heard}");
    }
    daemon.process().wait_log("the hook silent was not told that", 1, PATIENCE);
    daemon.process().wait_log("more events wait for the hook silent than may", 1, PATIENCE);
    daemon.process().wait_log("the hook gone was not told that", 1, PATIENCE);
    daemon.process().wait_log("/bin/sleep had not ended after 1 s, and was killed", 1, PATIENCE);
    assert_eq!(daemon.log().matches("the hook gone was not told").count(), 1, "a hook that fails is told of once");
    daemon.stop();
}
