//! Block lists that are fetched by HTTP: from a small server of the test's own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use config::settings::{Block, BlockSource};
use resolve::blocking::{BlockLists, Instead};
use tokio::runtime::Runtime;

use crate::embedded_dns::{LOOPBACK, name};
use crate::process::wait_for;

/// What the server says to whoever asks, and what it was asked.
#[derive(Default)]
struct Said {
    status: &'static str,
    body: String,
    asked: Vec<String>,
}

struct Web {
    address: SocketAddr,
    said: Arc<Mutex<Said>>,
}

impl Web {
    fn start(body: &str) -> Self {
        let listener = TcpListener::bind(LOOPBACK).unwrap();
        let said = Said { status: "200 OK", body: body.to_owned(), asked: Vec::new() };
        let web = Self { address: listener.local_addr().unwrap(), said: Arc::new(Mutex::new(said)) };
        let said = Arc::clone(&web.said);
        // It ends with the process; nobody asks once the test is over.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut head = Vec::new();
                let mut octet = [0; 1];
                while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut octet).is_ok() {
                    head.push(octet[0]);
                }
                let mut said = said.lock().unwrap();
                let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
                // As RFC 9110 section 13.1.2 has it.
                let tag = format!("\"{}\"", said.body.len());
                let is_known = said.status == "200 OK" && head.contains(&format!("if-none-match: {tag}"));
                let (status, body) =
                    if is_known { ("304 Not Modified", "") } else { (said.status, said.body.as_str()) };
                let answer = format!(
                    "HTTP/1.1 {status}\r\netag: {tag}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                said.asked.push(head);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        web
    }

    fn url(&self) -> String {
        format!("http://{}/ads.txt", self.address)
    }

    fn say(&self, status: &'static str, body: &str) {
        let mut said = self.said.lock().unwrap();
        (said.status, said.body) = (status, body.to_owned());
    }

    fn asked(&self) -> Vec<String> {
        self.said.lock().unwrap().asked.clone()
    }
}

type Published = Arc<arc_swap::ArcSwap<BlockLists>>;

fn follow(runtime: &Runtime, url: &str, copies: &Path) -> Published {
    let block = Block {
        name: "ads".to_owned(),
        source: BlockSource::Url(url.to_owned()),
        refresh_secs: 1,
        clients: Vec::new(),
        except: Vec::new(),
        instead: Instead::NxDomain,
        filtered: false,
    };
    runtime.block_on(async { leasehold::block_lists::follow(&[block], copies) })
}

fn blocks(published: &Published, text: &str) -> bool {
    published.load().blocking(name(text).as_wire(), LOOPBACK.ip()).is_some()
}

fn trouble(published: &Published) -> Option<String> {
    published.load().0[0].trouble.as_ref().map(|trouble| trouble.words.to_string())
}

fn wait_blocked(published: &Published, text: &str) {
    wait_for(text, Duration::from_secs(15), || blocks(published, text).then_some(()));
}

#[test]
fn a_list_is_fetched_refreshed_asked_for_only_when_it_changed_and_kept_for_a_start_without_a_network() {
    let directory = tempfile::tempdir().unwrap();
    let copies = directory.path().join("block-lists");
    let runtime = Runtime::new().unwrap();
    let web = Web::start("0.0.0.0 one.example\n");
    let published = follow(&runtime, &web.url(), &copies);
    wait_blocked(&published, "one.example");
    wait_for("it is asked again", Duration::from_secs(10), || (web.asked().len() >= 3).then_some(()));
    let asked = web.asked();
    assert!(!asked[0].contains("if-none-match") && asked[1].contains("if-none-match: \"20\""), "{asked:?}");
    assert!(blocks(&published, "one.example"));
    web.say("200 OK", "0.0.0.0 other-one.example\n");
    wait_blocked(&published, "other-one.example");
    assert!(!blocks(&published, "one.example"));
    // A failure, an error page in place of the list, and one that is far too long change nothing.
    for (status, body) in [
        ("500 Internal Server Error", String::new()),
        ("404 Not Found", "0.0.0.0 not-this.example\n".to_owned()),
        ("200 OK", "<html><body>Sign in</body></html>\n".to_owned()),
        ("200 OK", format!("0.0.0.0 too-long.example\n{}", "#\n".repeat(34 << 20))),
    ] {
        let before = web.asked().len();
        web.say(status, &body);
        let published = follow(&runtime, &web.url(), &copies);
        // At once, from the file.
        assert!(blocks(&published, "other-one.example"), "{status}");
        wait_for("it is asked", Duration::from_secs(20), || (web.asked().len() > before).then_some(()));
        std::thread::sleep(Duration::from_millis(1_500));
        assert!(blocks(&published, "other-one.example"), "{status}");
        assert!(!blocks(&published, "not-this.example") && !blocks(&published, "too-long.example"));
        let words = wait_for("it is told", Duration::from_secs(20), || trouble(&published));
        assert!(words.starts_with("it could not be fetched: "), "{words}");
    }
    // With a good answer nothing is to be told any more.
    web.say("200 OK", "0.0.0.0 other-one.example\n0.0.0.0 third.example\n");
    let published = follow(&runtime, &web.url(), &copies);
    wait_blocked(&published, "third.example");
    assert_eq!(trouble(&published), None);
    // Nobody there.
    let gone = TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap();
    let published = follow(&runtime, &format!("http://{gone}/"), &copies);
    assert!(blocks(&published, "other-one.example"));
    runtime.shutdown_background();
}
