//! TSIG keys: every HMAC against a real server, and a secret that is to be seen nowhere.
//!
//! Needs root, network namespaces, `named` and `dig`.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use ddns::reconcile::Outcome;
use dns::{Change, Rcode, Rdata, RecordType, TsigAlgorithm, TsigKey, Update};
use leasehold::ddns_client::{Timing, UpdateClient};

use crate::asker::Asker;
use crate::ddns_client::{name, wall_secs};
use crate::dig::{KEY_NAME, KEY_SECRET};
use crate::field::{self, DNS, RELAY, SERVER, ZONES};
use crate::leasehold::{CONTROL, Leasehold, PROGRAM, STORE};
use crate::netns::Lab;
use crate::packet;
use crate::process::{finish, wait_for};
use crate::servers::{DnsServer, Kind};

const PATIENCE: Duration = Duration::from_secs(20);

/// BIND's own words `hmac-sha256-128` and the like mean a cut MAC under the whole algorithm's name: it knows none of the
/// three truncated algorithms of RFC 8945 by their names. Those are held by the test vectors, and against our own server.
fn known_to_bind(algorithm: TsigAlgorithm) -> bool {
    use TsigAlgorithm::{HmacSha256Half, HmacSha384Half, HmacSha512Half};
    !matches!(algorithm, HmacSha256Half | HmacSha384Half | HmacSha512Half)
}

fn signs(server: SocketAddr, algorithm: TsigAlgorithm, host: &crate::netns::Host) -> Outcome {
    let key = TsigKey::from_base64(name(&format!("{algorithm}.key")), algorithm, KEY_SECRET).unwrap();
    let change = Change::Add {
        name: name(&format!("{algorithm}.nasir.xyz")),
        rtype: RecordType::A,
        ttl: 60,
        rdata: Rdata::a([10, 0, 0, 1].into()),
    };
    let update = Update { zone: name("nasir.xyz"), prerequisites: vec![], changes: vec![change] };
    let client = UpdateClient::new(Arc::new(wall_secs), Timing::default());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    host.inside(|| runtime().block_on(async { client.send(server, Some(&key), &update).await }))
}

#[test]
fn rfc8945_6_each_hmac_signs_updates_that_bind_takes_and_answers_that_are_believed() {
    let lab = Lab::new();
    let host = lab.host("dns");
    let mut text = "options { directory \"/var/cache/bind\"; pid-file none; session-keyfile none; recursion no;\n\
                    listen-on { 127.0.0.1; }; listen-on-v6 { none; }; dnssec-validation no; };\ncontrols { };\n"
        .to_owned();
    let algorithms = TsigAlgorithm::ALL.into_iter().filter(|algorithm| known_to_bind(*algorithm));
    for algorithm in algorithms.clone() {
        writeln!(text, "key {algorithm}.key {{ algorithm {algorithm}; secret \"{KEY_SECRET}\"; }};").unwrap();
    }
    host.write("/var/lib/bind/zone", "$TTL 300\n@ SOA ns.a. h.a. 1 3600 600 86400 60\n@ NS ns.tests.example.\n");
    text += "zone \"nasir.xyz\" { type primary; file \"/var/lib/bind/zone\"; allow-update { any; }; };\n";
    host.write("/etc/bind/named.conf", &text);
    let mut bind = host.start("named", &["-g", "-n", "1", "-c", "/etc/bind/named.conf"]);
    bind.wait_log("all zones loaded", 1, PATIENCE);
    for algorithm in algorithms {
        let outcome = signs("127.0.0.1:53".parse().unwrap(), algorithm, &host);
        assert_eq!(outcome, Outcome::Answer(Rcode::NO_ERROR), "{algorithm}");
    }
    bind.stop(PATIENCE);
}

#[test]
fn rfc8945_6_our_own_server_takes_every_hmac() {
    let lab = Lab::new();
    let server = lab.host("server");
    server.ip("link add name lan type bridge");
    server.ip(&format!("address add {SERVER}/16 dev lan"));
    server.ip("link set dev lan up");
    let mut config = String::new();
    for algorithm in TsigAlgorithm::ALL {
        let key =
            format!("[[key]]\nname = \"{algorithm}.key\"\nalgorithm = \"{algorithm}\"\nsecret = \"{KEY_SECRET}\"\n");
        config += &key;
    }
    let names: Vec<String> = TsigAlgorithm::ALL.iter().map(|algorithm| format!("\"{algorithm}.key\"")).collect();
    config += &format!(
        "[[zone]]\nname = \"nasir.xyz\"\nupdate_keys = [{}]\n\n\
         [[subnet]]\nprefix = \"10.77.0.0/16\"\npools = [\"10.77.1.0-10.77.1.255\"]\ndomain = \"nasir.xyz\"\n",
        names.join(", ")
    );
    let mut leasehold = Leasehold::start(&server, &config);
    for algorithm in TsigAlgorithm::ALL {
        let outcome = signs(SocketAddr::from((SERVER, 53)), algorithm, &server);
        assert_eq!(outcome, Outcome::Answer(Rcode::NO_ERROR), "{algorithm}");
    }
    leasehold.stop();
}

/// The secret in base64, its bytes, and both as a debug print would show them.
fn forms_of_the_secret() -> Vec<Vec<u8>> {
    let key = TsigKey::from_base64(name(KEY_NAME), TsigAlgorithm::HmacSha256, KEY_SECRET).unwrap();
    let hex: String = key.secret.iter().map(|octet| format!("{octet:02x}")).collect();
    let list = format!("{:?}", &key.secret[..8]).trim_matches(['[', ']']).to_owned();
    vec![KEY_SECRET.into(), KEY_SECRET.trim_end_matches('=').into(), key.secret.to_vec(), hex.into(), list.into()]
}

fn holds_no_secret(what: &str, octets: &[u8]) {
    for form in forms_of_the_secret() {
        let found = octets.windows(form.len()).any(|window| window == form);
        assert!(!found, "a secret in {what}");
    }
}

#[test]
fn a_secret_is_in_no_log_process_list_store_dump_or_answer() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut bind = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
    let inline = format!("secret = \"{KEY_SECRET}\"");
    let config = field::config(true)
        .replace(&inline, "secret_file = \"leasehold.key\"")
        .replace("[ddns]\n", "[ddns]\ngenerate = true\n");
    assert!(config.contains("secret_file"));
    let mut leasehold = Leasehold::prepare(&server, &config);
    let file = server.path("/run/leasehold.key");
    fs::write(&file, format!("key \"{KEY_NAME}\" {{ algorithm hmac-sha256; secret \"{KEY_SECRET}\"; }};\n")).unwrap();

    // Open to all, as any file is that is made without a thought.
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let refused = finish(server.command(PROGRAM).args(["run", "--config", "/run/leasehold.toml"]));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("chmod o-r leasehold.key"), "{told}");
    holds_no_secret("the refusal", told.as_bytes());

    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let configuration = fs::read_to_string(server.path("/run/leasehold.toml")).unwrap();
    server.write("/run/leasehold.toml", &configuration.replace("log = \"debug\"", "log = \"trace\""));
    leasehold.resume();
    let ack = Asker::new(&relay, RELAY, true).take(1, Duration::from_secs(20)).unwrap();
    assert_eq!(ack.kind, packet::ACK);
    // A server that is gone and one that refuses make the daemon speak of the key.
    bind.kill();
    let mut asker = Asker::new(&relay, RELAY, true);
    assert_eq!(asker.take(2, Duration::from_secs(20)).unwrap().kind, packet::ACK);
    wait_for("words about the server", PATIENCE, || leasehold.log().contains("does not answer").then_some(()));
    bind.resume();

    let process = leasehold.process().pid();
    holds_no_secret("the process list", &fs::read(format!("/proc/{process}/cmdline")).unwrap());
    holds_no_secret("the environment", &fs::read(format!("/proc/{process}/environ")).unwrap());
    for words in [&["dns", "--all"][..], &["dns", "--all", "--json"], &["status"], &["status", "--json"], &["leases"]] {
        let output = finish(leasehold.command(words).args(["--socket", CONTROL]));
        assert!(output.status.success(), "{words:?}");
        holds_no_secret("an answer", &output.stdout);
    }
    leasehold.process().stop(PATIENCE);
    let log = leasehold.log();
    assert!(log.contains(" INFO ") && log.contains("does not answer"), "{log}");
    holds_no_secret("the log", log.as_bytes());
    let dump = finish(server.command(PROGRAM).args(["db", "dump", "--store", STORE]));
    assert!(dump.status.success() && !dump.stdout.is_empty());
    holds_no_secret("the dump", &dump.stdout);
    let mut directories = vec![server.path(STORE)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
            match entry.file_type().unwrap().is_dir() {
                true => directories.push(entry.path()),
                false => holds_no_secret("the store", &fs::read(entry.path()).unwrap()),
            }
        }
    }
    bind.stop();
}
