//! Whether a DHCP server answers on our links already, asked before the first time we serve.
//!
//! Two servers that do not know of each other lease one address twice. So each served link is asked as a
//! client would ask, by a DISCOVER and an INFORM; no offer is taken up, and an unanswered offer costs the
//! other server nothing but a short reservation. The frames are made and read by hand on a packet socket: a
//! DHCP client of this machine may own port 68. Links that are not Ethernet are not asked, and where there
//! is no other, nothing is opened and nobody waits.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{LinkAddr, MsgFlags, recvfrom, sendto};
use socket2::SockFilter;
use tokio::time::{Instant, sleep_until};

use crate::dhcp_sockets::{InterfaceInfo, LinkKind, SocketError, open_frame_listener};

mod probe;

pub use probe::FoundServer;
use probe::{Transaction, build_probes, note, read_answer};

/// How long to wait for answers: ISC dhcpd pings an address for a second before it offers it.
pub const WAIT: Duration = Duration::from_millis(2500);

/// A frame can get lost: all is asked again this much later.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// More servers than this on our links would be told no better.
const FOUND_MAX: usize = 64;

/// Asks the links of `interfaces` which DHCP servers answer there, and listens for `wait`. `xid` should be
/// random. Returns each server once for each interface.
///
/// # Errors
/// The packet socket cannot be opened ([`SocketError::NoPermission`] without CAP_NET_RAW), or fails. That one
/// link cannot be asked (it went down) is told in the log and no error.
pub async fn find_servers(
    interfaces: &[Arc<InterfaceInfo>],
    (server_port, client_port): (u16, u16),
    xid: u32,
    wait: Duration,
) -> Result<Vec<FoundServer>, SocketError> {
    if !interfaces.iter().any(|info| askable(info).is_some()) {
        return Ok(Vec::new());
    }
    let transaction = Transaction { server_port, client_port, xid };
    let listener = open_frame_listener("ask the link for other DHCP servers", &answers_only(client_port))?;
    let start = Instant::now();
    let mut found = Vec::new();
    for (asked_at, until) in [(start, start + ASK_AGAIN.min(wait)), (start + ASK_AGAIN, start + wait)] {
        if asked_at >= until {
            break;
        }
        ask(listener.get_ref().as_raw_fd(), interfaces, transaction);
        loop {
            let mut ready = tokio::select! {
                () = sleep_until(until) => break,
                ready = listener.readable() => ready.map_err(listening_failed)?,
            };
            let mut buffer = [0; 2048];
            match ready.try_io(|socket| Ok(recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut buffer)?)) {
                Ok(Ok((len, from))) => {
                    let interface = from.and_then(|from| {
                        interfaces.iter().find(|info| usize::try_from(info.index) == Ok(from.ifindex()))
                    });
                    let server = interface.and_then(|info| read_answer(&buffer[..len], &info.name, transaction));
                    if let Some(server) = server.filter(|_| found.len() < FOUND_MAX) {
                        note(&mut found, server);
                    }
                }
                // ENETDOWN, when an interface goes down: the others go on.
                Ok(Err(error)) if error.kind() == io::ErrorKind::NetworkDown => {}
                Ok(Err(error)) => return Err(listening_failed(error)),
                Err(_would_block) => {}
            }
        }
    }
    Ok(found)
}

fn ask(socket: i32, interfaces: &[Arc<InterfaceInfo>], transaction: Transaction) {
    for info in interfaces {
        let Some((own, link)) = askable(info) else { continue };
        for frame in build_probes(own, info.first_address(), transaction) {
            if let Err(error) = sendto(socket, &frame, link, MsgFlags::MSG_DONTWAIT) {
                tracing::warn!(interface = info.name, %error, "cannot ask this link for other DHCP servers");
            }
        }
    }
}

/// The hardware address to ask with, and the link to ask.
fn askable(info: &InterfaceInfo) -> Option<([u8; 6], &LinkAddr)> {
    match info.kind {
        LinkKind::Ethernet(own) => Some((own, info.link_address()?)),
        LinkKind::Loopback | LinkKind::Other(_) => None,
    }
}

fn listening_failed(error: io::Error) -> SocketError {
    SocketError::System { what: "listen for other DHCP servers".into(), source: error }
}

/// A filter for the kernel: unfragmented IPv4 UDP to `client_port`, and nothing else, so that a busy link costs
/// nothing. A frame tagged for a VLAN that this machine has not reaches us without its tag, as a packet "for
/// another host": it is not this link's. (A tag of 0 names no VLAN and changes nothing.)
fn answers_only(client_port: u16) -> [SockFilter; 13] {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_ABS) as u16;
    const WORD: u16 = LOAD | libc::BPF_W as u16;
    const HALF: u16 = LOAD | libc::BPF_H as u16;
    const BYTE: u16 = LOAD | libc::BPF_B as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const HEADER_LENGTH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
    const HALF_AT_INDEX: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    /// SKF_AD_OFF + SKF_AD_PKTTYPE (linux/filter.h).
    const PACKET_TYPE: u32 = 0xffff_f000 + 4;
    let op = |code, jump_true, jump_false, k| SockFilter::new(code, jump_true, jump_false, k);
    [
        op(WORD, 0, 0, PACKET_TYPE),
        op(AT_LEAST, 9, 0, u32::from(libc::PACKET_OTHERHOST)),
        op(HALF, 0, 0, 12), // EtherType
        op(EQUAL, 0, 7, 0x0800),
        op(BYTE, 0, 0, 14 + 9), // protocol
        op(EQUAL, 0, 5, 17),
        op(HALF, 0, 0, 14 + 6), // fragment offset
        op(ANY_BIT, 3, 0, 0x1fff),
        op(HEADER_LENGTH, 0, 0, 14),
        op(HALF_AT_INDEX, 0, 0, 14 + 2), // destination port
        op(EQUAL, 1, 0, u32::from(client_port)),
        op(RETURN, 0, 0, 0),
        op(RETURN, 0, 0, u32::MAX),
    ]
}
