//! Which hardware addresses this machine has learnt for its neighbours (RTM_GETNEIGH, rtnetlink(7)); both families, read only.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

/// nlmsghdr and ndmsg (linux/netlink.h, linux/neighbour.h), in bytes.
const MESSAGE: usize = 16;
const HEADERS: usize = MESSAGE + 12;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
/// States in which the address is one that the neighbour has told: reachable, stale, delayed, probed, and set by hand.
const LEARNT: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;
/// The port that nothing is heard at (RFC 863).
const DISCARD: u16 = 9;
/// How long a neighbour has to answer; the kernel asks each second.
const PATIENCE: Duration = Duration::from_millis(1_200);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The hardware address that the kernel has learnt for a neighbour, in octets.
///
/// # Errors
/// What the kernel says.
pub fn find(address: IpAddr) -> io::Result<Option<Vec<u8>>> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    send(netlink.as_raw_fd(), &question(), MsgFlags::empty())?;
    let mut part = vec![0; 64 * 1024];
    let mut found = None;
    loop {
        let length = recv(netlink.as_raw_fd(), &mut part, MsgFlags::empty())?;
        match read_part(&part[..length], address, &mut found) {
            Part::More => {}
            Part::Last => return Ok(found),
            Part::Failed => return Err(io::Error::other("the kernel does not list its neighbours")),
        }
    }
}

/// Has the kernel ask who has an address, and waits for the answer.
///
/// # Errors
/// There is no way to that address.
pub fn ask(address: IpAddr) -> io::Result<Option<Vec<u8>>> {
    let here: SocketAddr = match address {
        IpAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        IpAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    // A datagram to a neighbour cannot leave before the neighbour was asked.
    UdpSocket::bind(here)?.send_to(&[], (address, DISCARD))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = find(address)?;
        if found.is_some() || Instant::now() >= deadline {
            return Ok(found);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Lists every neighbour.
fn question() -> Vec<u8> {
    let mut message = (HEADERS as u32).to_ne_bytes().to_vec();
    message.extend(libc::RTM_GETNEIGH.to_ne_bytes());
    message.extend(((libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16).to_ne_bytes());
    message.resize(HEADERS, 0);
    message
}

enum Part {
    More,
    Last,
    Failed,
}

/// Reads a part of the list.
fn read_part(mut part: &[u8], wanted: IpAddr, found: &mut Option<Vec<u8>>) -> Part {
    let half = |bytes: &[u8], at: usize| Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    while let Some(length) = part.first_chunk().map(|length| u32::from_ne_bytes(*length) as usize) {
        let kind = half(part, 4).map_or(libc::NLMSG_ERROR, i32::from);
        if kind == libc::NLMSG_DONE {
            return Part::Last;
        }
        let Some(message) = part.get(..length).filter(|_| kind == i32::from(libc::RTM_NEWNEIGH) && length >= HEADERS)
        else {
            return Part::Failed;
        };
        let state = half(message, MESSAGE + 8).unwrap_or(0);
        let (mut address, mut hardware) = (None, None);
        let mut rest = &message[HEADERS..];
        while let (Some(length), Some(kind)) = (half(rest, 0), half(rest, 2)) {
            let data = rest.get(4..usize::from(length)).unwrap_or_default();
            match kind {
                NDA_DST => address = read_address(data),
                NDA_LLADDR => hardware = Some(data.to_vec()),
                _ => {}
            }
            // No attribute is shorter than its head, so that the walk ends.
            rest = rest.get(usize::from(length).max(4).next_multiple_of(4)..).unwrap_or_default();
        }
        if address == Some(wanted) && state & LEARNT != 0 {
            *found = hardware.filter(|hardware| !hardware.is_empty());
        }
        part = part.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Part::More
}

fn read_address(data: &[u8]) -> Option<IpAddr> {
    match data.len() {
        4 => Some(IpAddr::from(*data.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*data.first_chunk::<16>()?)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn neighbour(address: &[u8], hardware: &[u8], state: u16) -> Vec<u8> {
        let mut message = vec![0; HEADERS];
        message[4..6].copy_from_slice(&libc::RTM_NEWNEIGH.to_ne_bytes());
        message[MESSAGE + 8..MESSAGE + 10].copy_from_slice(&state.to_ne_bytes());
        for (kind, data) in [(NDA_DST, address), (NDA_LLADDR, hardware)] {
            message.extend(((data.len() + 4) as u16).to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(data);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        let length = (message.len() as u32).to_ne_bytes();
        message[..4].copy_from_slice(&length);
        message
    }

    #[test]
    fn a_neighbour_is_found_by_either_family_and_only_when_it_has_told() {
        let six = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
        let list = [
            neighbour(&[10, 0, 0, 1], &[2, 0, 0, 0, 0, 1], 0x02),
            neighbour(&six, &[2, 0, 0, 0, 0, 6], 0x04),
            neighbour(&[10, 0, 0, 2], &[], 0x20),
        ]
        .concat();
        let find = |address: &str| {
            let mut found = None;
            assert!(matches!(read_part(&list, address.parse().unwrap(), &mut found), Part::More));
            found
        };
        assert_eq!(find("10.0.0.1"), Some(vec![2, 0, 0, 0, 0, 1]));
        assert_eq!(find("fe80::7"), Some(vec![2, 0, 0, 0, 0, 6]));
        assert_eq!((find("10.0.0.2"), find("10.0.0.3")), (None, None));
    }

    #[test]
    fn what_is_cut_short_ends_the_walk() {
        let whole = neighbour(&[10, 0, 0, 1], &[2, 0, 0, 0, 0, 1], 0x02);
        for end in 0..whole.len() {
            let mut found = None;
            let _ = read_part(&whole[..end], [10, 0, 0, 1].into(), &mut found);
            assert_eq!(found, None);
        }
    }
}
