//! RFC 2136 beside BIND: each script of `updates` is sent to both, which give the same code and hold the same zone
//! afterwards, its serial too.

use std::net::UdpSocket;
use std::time::{SystemTime, UNIX_EPOCH};

use dns::wire::{AnswerError, name_to_hickory, rdata_to_hickory, sign_request};
use dns::{Rcode, Rdata, RecordType, TsigAlgorithm, TsigKey};
use hickory_proto::op::{MessageType, OpCode, Query as Question};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{DNSClass, RData, RecordType as WireType};

use super::*;

/// The zone that is changed.
const APEX: &str = "everything.example";

/// One update: what it is called, and its message.
struct Script {
    title: String,
    message: Message,
}

/// Reads the scripts: `# title`, then lines `zone NAME CLASS TYPE`, `prereq OWNER TTL CLASS TYPE [data]` and `update` with
/// the same. Names are relative to the zone.
fn scripts() -> Vec<Script> {
    let mut scripts: Vec<Script> = Vec::new();
    let text = file("updates");
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(title) = line.strip_prefix("# ") {
            let message = Message::new(7, MessageType::Query, OpCode::Update);
            scripts.push(Script { title: title.to_owned(), message });
            continue;
        }
        let message = &mut scripts.last_mut().expect("a title comes first").message;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "zone" => {
                let mut zone = Question::query(name_to_hickory(&words[1].parse().unwrap()), rtype_of(words[3]));
                zone.set_query_class(class_of(words[2]));
                message.add_query(zone);
            }
            "prereq" => message.answers.push(record(&words[1..])),
            "update" => message.authorities.push(record(&words[1..])),
            other => panic!("`{other}` begins no line of a script"),
        }
    }
    for script in &mut scripts {
        if script.message.queries.is_empty() && !script.title.contains("no zone") {
            let zone = Question::query(name_to_hickory(&APEX.parse().unwrap()), WireType::SOA);
            script.message.add_query(zone);
        }
    }
    scripts
}

fn rtype_of(text: &str) -> WireType {
    WireType::from(text.parse::<RecordType>().unwrap().0)
}

fn class_of(text: &str) -> DNSClass {
    match text {
        "IN" => DNSClass::IN,
        "CH" => DNSClass::CH,
        "ANY" => DNSClass::ANY,
        "NONE" => DNSClass::NONE,
        other => panic!("class {other}"),
    }
}

fn record(words: &[&str]) -> Record {
    let apex: Fqdn = APEX.parse().unwrap();
    let owner = dns::text::name(words[0], &apex).unwrap();
    let rtype: RecordType = words[3].parse().unwrap();
    let data: Vec<Word<'_>> = words[4..].iter().map(|text| Word { text, quoted: false }).collect();
    let rdata = if data.is_empty() { Rdata(Box::default()) } else { rdata_from_words(rtype, &data, &apex).unwrap() };
    let mut record = match rdata.0.is_empty() {
        true => Record::update0(name_to_hickory(&owner), 0, rtype_of(words[3])),
        false => {
            // Of a meta type hickory reads no data.
            let raw = || RData::Unknown { code: rtype_of(words[3]), rdata: NULL::with(rdata.0.to_vec()) };
            let data = rdata_to_hickory(rtype, &rdata).unwrap_or_else(|_| raw());
            Record::from_rdata(name_to_hickory(&owner), 0, data)
        }
    };
    record.ttl = words[1].parse().unwrap();
    record.dns_class = class_of(words[2]);
    record
}

/// The code that a server answers with; TSIG is checked.
fn send(message: Message, server: &str) -> Result<Rcode, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let key = TsigKey::from_base64(KEY_NAME.parse().unwrap(), TsigAlgorithm::HmacSha256, KEY_SECRET).unwrap();
    let (octets, pending) = sign_request(message, Some(&key), now).map_err(|error| error.to_string())?;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(&octets, server).unwrap();
    let mut answer = [0; 4096];
    let length = socket.recv(&mut answer).map_err(|error| error.to_string())?;
    match pending.read_rcode(&answer[..length], now) {
        // What a server cannot read it need not sign (RFC 8945 section 5.2.1 and 5.3).
        Err(AnswerError::Unsigned(rcode)) => Ok(rcode),
        read => read.map_err(|error| error.to_string()),
    }
}

#[test]
fn every_rule_of_rfc_2136_gives_the_code_and_the_zone_that_bind_gives() {
    let lab = Lab::alone();
    let host = lab.host("servers");
    let _bind = start_bind(&host);
    let ours = start_ours(&host);
    let scripts = scripts();
    assert!(scripts.len() > 60, "{}", scripts.len());
    let (listed, mut used) = (listed("updates"), BTreeSet::new());
    let mut told = String::new();
    for Script { title, message } in scripts {
        let (theirs, own) = host.inside(|| (send(message.clone(), BIND), send(message.clone(), OURS)));
        if theirs != own && listed.contains(&title) {
            used.insert(title.clone());
        } else if theirs != own {
            told += &format!("{title}: BIND {theirs:?}, we {own:?}\n");
        }
        let (theirs, own) = (transferred(&host, BIND, APEX), transferred(&host, OURS, APEX));
        if theirs != own && listed.contains(&title) {
            used.insert(title);
        } else if theirs != own {
            let only =
                |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect::<Vec<_>>();
            told += &format!("{title}: only BIND {:#?}, only we {:#?}\n", only(&theirs, &own), only(&own, &theirs));
            // From here on nothing can be compared.
            break;
        }
    }
    ours.stop();
    assert!(told.is_empty(), "differences that docs/zones-compared.md does not list:\n{told}");
    let stale: Vec<_> = listed.difference(&used).collect();
    assert!(stale.is_empty(), "listed, and answered alike: {stale:?}");
}
