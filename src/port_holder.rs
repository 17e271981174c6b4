//! Who holds a port that we want, looked up in /proc: only asked once binding failed.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::OnceLock;

/// A program that holds a port, as far as /proc tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortHolder {
    /// The process, its id and its name.
    Process {
        /// Process id.
        id: u32,
        /// The program's name as the kernel shortens it, at most 15 bytes.
        name: String,
    },
    /// A process that we may not look into.
    Unknown,
}

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { id, name } => write!(f, "{name} (process {id})"),
            Self::Unknown => f.write_str("another program (`ss -lntup` as root names it)"),
        }
    }
}

/// Who held which socket before the daemon gave up looking into other processes (landlock takes that away).
static REMEMBERED: OnceLock<HashMap<u64, PortHolder>> = OnceLock::new();

/// Remembers who holds these ports: to be called while other processes can still be looked into. Ports that nobody has,
/// which is how it should be, cost the reading of four lists.
pub fn remember(ports: &[u16]) {
    let of = |port: &u16| [Table::Udp4, Table::Udp6, Table::Tcp4, Table::Tcp6].map(|table| (table, *port));
    let inodes = ports.iter().flat_map(of).flat_map(|(table, port)| sockets(table, port, |_| true));
    REMEMBERED.get_or_init(|| {
        inodes.filter_map(|inode| Some((inode, process_with(Path::new("/proc"), &[inode])?))).collect()
    });
}

/// Who holds UDP `port`, on whatever address.
#[must_use]
pub fn find_port_holder(port: u16) -> PortHolder {
    find_process(&sockets(Table::Udp4, port, |_| true))
}

/// Who keeps `address` from being bound for UDP, or else for TCP.
#[must_use]
pub fn find_address_holder(address: SocketAddr) -> PortHolder {
    let in_the_way = |local: IpAddr| local.is_unspecified() || local.to_canonical() == address.ip();
    let of = |table| sockets(table, address.port(), in_the_way);
    let udp = [of(Table::Udp4), of(Table::Udp6)].concat();
    if udp.is_empty() { find_process(&[of(Table::Tcp4), of(Table::Tcp6)].concat()) } else { find_process(&udp) }
}

/// Whose process holds the end of a TCP connection that is at `near`, the other end being at `far`; both on this machine.
#[must_use]
pub fn find_owner(near: SocketAddr, far: SocketAddr) -> Option<u32> {
    let name = if near.is_ipv4() { "tcp" } else { "tcp6" };
    owner(&std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).ok()?, near, far)
}

fn owner(table: &str, near: SocketAddr, far: SocketAddr) -> Option<u32> {
    let is = |field: &str, wanted: SocketAddr| {
        let Some((address, port)) = field.rsplit_once(':') else { return false };
        u16::from_str_radix(port, 16) == Ok(wanted.port()) && read_address(address) == Some(wanted.ip())
    };
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let is_it = is(fields.next()?, near) && is(fields.next()?, far);
        // Behind them: state, queues, timer, retransmissions, user.
        fields.nth(4).filter(|_| is_it)?.parse().ok()
    })
}

/// The kernel's lists of sockets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Udp4,
    Udp6,
    Tcp4,
    Tcp6,
}

/// The inodes of the bound sockets of `port` whose local address `counts`.
fn sockets(table: Table, port: u16, counts: impl Fn(IpAddr) -> bool) -> Vec<u64> {
    let name = match table {
        Table::Udp4 => "udp",
        Table::Udp6 => "udp6",
        Table::Tcp4 => "tcp",
        Table::Tcp6 => "tcp6",
    };
    let text = std::fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
    // A connection keeps nobody from listening.
    let listening = matches!(table, Table::Tcp4 | Table::Tcp6).then_some("0A");
    inodes(&text, port, listening, counts)
}

fn inodes(table: &str, port: u16, state: Option<&str>, counts: impl Fn(IpAddr) -> bool) -> Vec<u64> {
    let row = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (address, hex) = fields.nth(1)?.rsplit_once(':')?;
        if u16::from_str_radix(hex, 16).ok()? != port || !counts(read_address(address)?) {
            return None;
        }
        // local_address was field 1; the state is field 3, the inode field 9.
        if fields.nth(1).is_none_or(|is| state.is_some_and(|wanted| wanted != is)) {
            return None;
        }
        fields.nth(5)?.parse().ok()
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// An address as the kernel's lists have it: words of 32 bits, hexadecimal, in the machine's byte order.
fn read_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        }
        _ => None,
    }
}

fn find_process(inodes: &[u64]) -> PortHolder {
    let remembered = || inodes.iter().find_map(|inode| REMEMBERED.get()?.get(inode).cloned());
    process_with(Path::new("/proc"), inodes).or_else(remembered).unwrap_or(PortHolder::Unknown)
}

fn process_with(proc: &Path, inodes: &[u64]) -> Option<PortHolder> {
    let names: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for process in std::fs::read_dir(proc).ok()?.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Processes end while we look, and others are not ours to look into: neither is an error.
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = |entry: std::fs::DirEntry| {
            let target = std::fs::read_link(entry.path()).unwrap_or_default();
            names.iter().any(|name| target.as_os_str() == name.as_str())
        };
        if descriptors.flatten().any(holds) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(PortHolder::Process { id, name: name.trim().to_owned() });
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panic")]
mod tests {
    use super::*;

    const UDP: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
             510: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 18921 2 0000000000000000 0\n \
             511: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 18922 2 0000000000000000 0\n";

    #[test]
    fn inodes_are_read_from_the_kernels_table() {
        assert_eq!(inodes(UDP, 67, None, |_| true), [18921]);
        assert_eq!(inodes(UDP, 68, None, |_| true), [0; 0]);
        assert_eq!(inodes(UDP, 67, Some("0A"), |_| true), [0; 0], "not in this state");
        assert_eq!(inodes(UDP, 67, Some("07"), |_| true), [18921]);
        if cfg!(target_endian = "little") {
            assert_eq!(inodes(UDP, 53, None, |local| local == Ipv4Addr::LOCALHOST), [18922]);
            let mapped = read_address("0000000000000000FFFF00000100007F").unwrap();
            assert_eq!(mapped.to_canonical(), Ipv4Addr::LOCALHOST);
        }
        assert_eq!(read_address("0100"), None);
    }

    #[test]
    fn the_user_of_a_connection_is_found() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = std::net::TcpListener::bind(address).unwrap();
            let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (near, far) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
            assert_eq!(find_owner(near, far), Some(nix::unistd::getuid().as_raw()));
            assert_eq!(find_owner(far, SocketAddr::from(([127, 0, 0, 9], near.port()))), None);
        }
    }

    #[test]
    fn the_process_that_holds_a_port_is_named() {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let everywhere = std::net::UdpSocket::bind("[::]:0").unwrap();
        let port = everywhere.local_addr().unwrap().port();
        for found in [
            find_port_holder(udp.local_addr().unwrap().port()),
            find_address_holder(udp.local_addr().unwrap()),
            find_address_holder(tcp.local_addr().unwrap()),
            find_address_holder(SocketAddr::from(([127, 0, 0, 1], port))),
        ] {
            let PortHolder::Process { id, name } = found else { panic!("not found") };
            assert_eq!(id, std::process::id());
            assert!(!name.is_empty());
        }
        let other = SocketAddr::from(([127, 0, 0, 2], udp.local_addr().unwrap().port()));
        assert_eq!(find_address_holder(other), PortHolder::Unknown, "held on another address, and in nobody's way");
    }
}
