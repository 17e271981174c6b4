//! strace shows, for each ACK, a write that holds its lease and an fdatasync of the same file that finished before
//! the ACK was sent. SIGKILL cannot prove this: it leaves unsynced bytes where they are.

use std::time::Duration;

use crate::field::{self, RELAY, SERVER};
use crate::leasehold::Leasehold;
use crate::load::{Load, Plan};
use crate::netns::Lab;
use crate::process::wait_for;

const CLIENTS: u32 = 40;
/// Seen from inside the host.
const TRACE: &str = "/run/trace";

/// A system call of the trace, at the moment that matters: a write, a sync or a send.
#[derive(Debug)]
enum Call {
    /// A write finished: file, bytes as hexadecimal.
    Wrote(u32, String),
    /// A sync finished.
    Synced(u32),
    /// A send began: bytes as hexadecimal.
    Sends(String),
}

/// Reads `strace -f -xx` output: unfinished calls are joined with their ends. A write or a sync counts when it has
/// returned, a send when it is entered, though strace tells the messages of a `sendmmsg` only when it has returned.
fn parse(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: std::collections::HashMap<&str, (String, String, usize)> = std::collections::HashMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let resumed = resumed.split_once("resumed>").map_or(resumed, |(_, rest)| rest);
            if let Some((name, entered, at)) = unfinished.remove(thread) {
                if let Some(Call::Sends(data)) = calls.get_mut(at).filter(|_| name.starts_with("send")) {
                    data.push_str(&bytes(resumed));
                }
                finish(&name, &format!("{entered}{resumed}"), resumed, &mut calls);
            }
            continue;
        }
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        let at = calls.len();
        if name.starts_with("send") {
            calls.push(Call::Sends(bytes(arguments)));
        }
        if let Some(entered) = arguments.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, (name.to_owned(), entered.to_owned(), at));
        } else {
            finish(name, arguments, arguments, &mut calls);
        }
    }
    calls
}

fn finish(name: &str, arguments: &str, end: &str, calls: &mut Vec<Call>) {
    let failed = end.rsplit_once("= ").is_none_or(|(_, result)| result.starts_with('-') || result.starts_with('?'));
    let file = arguments.split([',', ')']).next().and_then(|word| word.split('<').next()?.trim().parse().ok());
    let (Some(file), false) = (file, failed) else { return };
    match name {
        "fdatasync" | "fsync" => calls.push(Call::Synced(file)),
        _ if name.contains("write") => calls.push(Call::Wrote(file, bytes(arguments))),
        _ => {}
    }
}

/// The quoted `\x..` strings of a call's arguments, as hexadecimal.
fn bytes(arguments: &str) -> String {
    arguments.split('"').skip(1).step_by(2).map(|quoted| quoted.replace("\\x", "")).collect()
}

fn hexadecimal(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a send holds the ACK of this client for this address. A crowd of replies leaves in one call, so that the ACK of
/// one client may stand beside the OFFER of another.
fn holds_ack(data: &str, hardware: &str, address: &str) -> bool {
    // RFC 2131 section 2: yiaddr at octet 16, chaddr at 28, the cookie at 236; two digits for each octet.
    const COOKIE: &str = "63825363";
    let starts: Vec<usize> = data.match_indices(COOKIE).filter_map(|(at, _)| at.checked_sub(2 * 236)).collect();
    starts.iter().enumerate().any(|(number, &start)| {
        let end = starts.get(number + 1).copied().unwrap_or(data.len());
        let message = &data[start..end];
        let is = |octet: usize, wanted: &str| message[2 * octet..].starts_with(wanted);
        // Option 53 tells the ACK from the OFFER.
        is(16, address) && is(28, hardware) && message[2 * 240..].contains("350105")
    })
}

#[test]
fn an_ack_is_found_among_the_replies_that_leave_with_it() {
    let reply = |address: &str, hardware: &str, kind: &str| {
        format!("{}{address}{}{hardware}{}63825363{kind}ff", "00".repeat(16), "00".repeat(8), "00".repeat(202))
    };
    let (one, other) = ("020000000001", "020000000002");
    let crowd = reply("0a4d0001", one, "350105") + &reply("0a4d0002", other, "350102");
    assert!(holds_ack(&crowd, one, "0a4d0001"));
    assert!(!holds_ack(&crowd, other, "0a4d0002"), "its OFFER");
    assert!(!holds_ack(&crowd, one, "0a4d0002"));
    assert!(!holds_ack("63825363350105", one, "0a4d0001"), "no whole message");
}

#[test]
fn a_finished_fdatasync_lies_between_every_lease_and_its_acknowledgement() {
    let lab = Lab::alone();
    let (server, relay) = field::hosts(&lab);
    let mut leasehold = Leasehold::prepare(&server, &field::config(false));
    leasehold.launch_under(&[
        "strace",
        // The daemon stays the test's own child, so that it can be told to stop.
        "-D",
        "-f",
        "-xx",
        "-s",
        "70000",
        "-o",
        TRACE,
        "-e",
        "trace=write,writev,pwrite64,pwritev,pwritev2,fdatasync,fsync,sendto,sendmsg,sendmmsg",
    ]);
    leasehold.wait_ready();
    let plan = Plan { starts_per_sec: None, in_flight: 4, ..Plan::arrivals(CLIENTS, 0.0) };
    let history = Load::new(&relay, RELAY, SERVER, plan).finish(Duration::from_secs(30));
    let held = history.held();
    assert_eq!(held.len(), CLIENTS as usize);
    let daemon = leasehold.process().pid().to_string();
    leasehold.stop();
    let trace = wait_for("the whole trace is written", Duration::from_secs(20), || {
        let trace = std::fs::read_to_string(server.path(TRACE)).unwrap();
        let is_end = |line: &str| line.contains("+++ exited") && line.split_whitespace().next() == Some(&daemon);
        trace.lines().any(is_end).then_some(trace)
    });

    let calls = parse(&trace);
    let mut acknowledged = 0;
    for (client, ack) in held {
        let hardware = hexadecimal(&Plan::hardware(client));
        let address = hexadecimal(&ack.address.octets());
        let sent =
            calls.iter().position(|call| matches!(call, Call::Sends(data) if holds_ack(data, &hardware, &address)));
        let sent = sent.unwrap_or_else(|| panic!("no ACK to client {client} in the trace"));
        let written = calls[..sent].iter().enumerate().find_map(|(at, call)| match call {
            // The log tells of the lease only after it is stored, and on standard error.
            Call::Wrote(file, data) if *file > 2 && data.contains(&hardware) => Some((at, *file)),
            _ => None,
        });
        let (at, file) = written.unwrap_or_else(|| panic!("nothing written for client {client} before its ACK"));
        let synced = calls[at..sent].iter().any(|call| matches!(call, Call::Synced(other) if *other == file));
        assert!(synced, "client {client}: no finished fdatasync between its lease's write and its ACK");
        acknowledged += 1;
    }
    assert_eq!(acknowledged, CLIENTS);
}

#[test]
fn a_trace_is_read_in_the_order_in_which_calls_count() {
    let calls = parse(
        "12 pwrite64(7, \"\\x01\\x02\", 2, 4096 <unfinished ...>\n\
         13 sendto(9, \"\\xaa\\xbb\", 2, 0, NULL, 0) = 2\n\
         12 <... pwrite64 resumed>) = 2\n\
         12 fdatasync(7 <unfinished ...>\n\
         13 write(3, \"\\x05\", 1) = -1 ENOSPC (No space left on device)\n\
         12 <... fdatasync resumed>) = 0\n\
         13 sendmsg(9, {msg_name=NULL, msg_iov=[{iov_base=\"\\xcc\", iov_len=1}], msg_iovlen=1}, 0) = 1\n\
         13 sendmmsg(9,  <unfinished ...>\n\
         12 fdatasync(7) = 0\n\
         13 <... sendmmsg resumed>[{msg_hdr={msg_iov=[{iov_base=\"\\xdd\", iov_len=1}], msg_iovlen=1}, msg_len=1}], 1, 0) = 1\n\
         12 +++ exited with 0 +++\n",
    );
    let told: Vec<String> = calls.iter().map(|call| format!("{call:?}")).collect();
    assert_eq!(
        told,
        ["Sends(\"aabb\")", "Wrote(7, \"0102\")", "Synced(7)", "Sends(\"cc\")", "Sends(\"dd\")", "Synced(7)"]
    );
}
