//! By which interface the kernel's routes lead to a relay, as the kernel says it (RTM_GETROUTE, rtnetlink(7)).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

/// For how long an answer is believed: routes change, and whoever changes them waits so long at most.
const BELIEVED: Duration = Duration::from_secs(1);

/// Relays whose answers are kept; with one more all are asked for anew.
const KEPT_MAX: usize = 256;

/// nlmsghdr and rtmsg (linux/netlink.h, linux/rtnetlink.h), in bytes.
const HEADERS: usize = 16 + 12;
const RTN_UNICAST: u8 = 1;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Routes {
    netlink: Option<OwnedFd>,
    /// By source and destination, when it was asked for.
    known: BTreeMap<(Ipv4Addr, Ipv4Addr), (Instant, Option<u32>)>,
}

impl Routes {
    /// The index of the interface by which datagrams from `source` leave for `to`; `None` when there is none, or when
    /// the kernel cannot be asked.
    pub(super) fn interface_to(&mut self, source: Ipv4Addr, to: Ipv4Addr, now: Instant) -> Option<u32> {
        if let Some((at, interface)) = self.known.get(&(source, to))
            && now.saturating_duration_since(*at) < BELIEVED
        {
            return *interface;
        }
        let interface = self.ask(source, to);
        self.keep(source, to, now, interface);
        interface
    }

    /// Takes the way to be unknown for as long as an answer is believed.
    pub(super) fn doubt(&mut self, source: Ipv4Addr, to: Ipv4Addr, now: Instant) {
        self.keep(source, to, now, None);
    }

    fn keep(&mut self, source: Ipv4Addr, to: Ipv4Addr, now: Instant, interface: Option<u32>) {
        if self.known.len() >= KEPT_MAX {
            self.known.clear();
        }
        self.known.insert((source, to), (now, interface));
    }

    /// The kernel answers within the call that asks, so that nothing is waited for.
    fn ask(&mut self, source: Ipv4Addr, to: Ipv4Addr) -> Option<u32> {
        if self.netlink.is_none() {
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            self.netlink = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute).ok();
        }
        let netlink = self.netlink.as_ref()?.as_raw_fd();
        let mut answer = [0; 1024];
        // What an earlier question left.
        while recv(netlink, &mut answer, MsgFlags::MSG_DONTWAIT).is_ok() {}
        send(netlink, &question(source, to), MsgFlags::MSG_DONTWAIT).ok()?;
        let length = recv(netlink, &mut answer, MsgFlags::MSG_DONTWAIT).ok()?;
        read_answer(answer.get(..length)?)
    }
}

fn question(source: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    const WHOLE: u8 = 32;
    let length = (HEADERS + 2 * 8) as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(libc::RTM_GETROUTE.to_ne_bytes());
    message.extend((libc::NLM_F_REQUEST as u16).to_ne_bytes());
    // Sequence and port are the kernel's to give back: one question is under way at a time.
    message.extend([0; 8]);
    message.extend([libc::AF_INET as u8, WHOLE, WHOLE, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for (kind, address) in [(libc::RTA_DST, to), (libc::RTA_SRC, source)] {
        message.extend(8_u16.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(address.octets());
    }
    message
}

/// The interface of a RTM_NEWROUTE that leads to another machine.
fn read_answer(message: &[u8]) -> Option<u32> {
    let half = |bytes: &[u8], at: usize| Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let whole = |bytes: &[u8], at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    if half(message, 4)? != libc::RTM_NEWROUTE || *message.get(16 + 7)? != RTN_UNICAST {
        return None;
    }
    let mut rest = message.get(HEADERS..)?;
    loop {
        let (length, kind) = (usize::from(half(rest, 0)?), half(rest, 2)?);
        if kind == libc::RTA_OIF {
            return whole(rest, 4);
        }
        // No attribute is shorter than its head, so that the walk ends.
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn answer(kind: u8, attributes: &[u8]) -> Vec<u8> {
        let mut message = vec![0; HEADERS];
        message[4..6].copy_from_slice(&libc::RTM_NEWROUTE.to_ne_bytes());
        message[16 + 7] = kind;
        message.extend(attributes);
        message
    }

    #[test]
    fn the_interface_is_read_from_what_the_kernel_answers_and_any_bytes_are_none() {
        let mut attributes = Vec::new();
        for (kind, value) in [(libc::RTA_DST, [10, 0, 0, 1]), (libc::RTA_OIF, 7_u32.to_ne_bytes())] {
            attributes.extend(8_u16.to_ne_bytes());
            attributes.extend(kind.to_ne_bytes());
            attributes.extend(value);
        }
        assert_eq!(read_answer(&answer(RTN_UNICAST, &attributes)), Some(7));
        assert_eq!(read_answer(&answer(2, &attributes)), None, "an address of our own");
        for length in 0..HEADERS + attributes.len() {
            assert_eq!(read_answer(&answer(RTN_UNICAST, &attributes)[..length]), None);
        }
        assert_eq!(read_answer(&answer(RTN_UNICAST, &[0; 64])), None, "attributes of no length");
    }

    #[test]
    fn answers_are_believed_for_a_second_and_no_more_than_so_many_are_kept() {
        let (mut routes, now) = (Routes::default(), Instant::now());
        let (source, to) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 0, 2, 1));
        routes.keep(source, to, now, Some(7));
        assert_eq!(routes.interface_to(source, to, now + BELIEVED / 2), Some(7));
        routes.doubt(source, to, now);
        assert_eq!(routes.interface_to(source, to, now), None);
        for last in 0..=u8::MAX {
            routes.keep(source, Ipv4Addr::new(192, 0, 2, last), now, None);
        }
        assert!(routes.known.len() <= KEPT_MAX);
    }
}
