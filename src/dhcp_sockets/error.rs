//! What can keep the sockets from opening, each with its mend, and who holds a port that we want.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use thiserror::Error;

/// Why the DHCP sockets could not be opened.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another program has the port.
    #[error("UDP port {port}{} is already used by {holder}: stop it, or give it other interfaces", on(.interface.as_deref()))]
    PortUsed {
        /// The port.
        port: u16,
        /// The interface on which it was wanted; `None` for an address without an interface.
        interface: Option<String>,
        /// Who has it.
        holder: PortHolder,
    },
    /// We may not.
    #[error(
        "no permission to {what}: run as root, or give the program the capability {capability} \
         (AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_NET_RAW in a systemd unit, or \
         setcap cap_net_bind_service,cap_net_raw+ep on the program file)"
    )]
    NoPermission {
        /// What was tried.
        what: String,
        /// The capability it takes.
        capability: &'static str,
    },
    /// No interface has the address that was to be bound.
    #[error(
        "no interface has the address {address}, so nothing can be received there: give it to one (ip address add), or name another"
    )]
    NotOurAddress {
        /// The address.
        address: Ipv4Addr,
    },
    /// Something else that the system refused.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

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
            Self::Unknown => f.write_str("another program (`ss -ulnp` as root names it)"),
        }
    }
}

impl SocketError {
    pub(super) fn system(what: impl Into<String>, source: io::Error) -> Self {
        Self::System { what: what.into(), source }
    }

    /// `capability` is what it would take if the system answers that it is not permitted.
    pub(super) fn from_io(what: impl Into<String>, capability: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::NoPermission { what: what.into(), capability },
            _ => Self::system(what, source),
        }
    }
}

fn on(interface: Option<&str>) -> String {
    interface.map(|name| format!(" on {name}")).unwrap_or_default()
}

/// Who holds UDP `port`, looked up in /proc: only asked once binding failed.
#[must_use]
pub fn find_port_holder(port: u16) -> PortHolder {
    let Ok(sockets) = std::fs::read_to_string("/proc/thread-self/net/udp") else { return PortHolder::Unknown };
    let inodes = inodes_of_port(&sockets, port);
    find_process(Path::new("/proc"), &inodes).unwrap_or(PortHolder::Unknown)
}

/// The inodes of the sockets bound to `port`, from the text of /proc/net/udp.
fn inodes_of_port(table: &str, port: u16) -> Vec<u64> {
    let row = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (_, hex) = fields.nth(1)?.rsplit_once(':')?;
        if u16::from_str_radix(hex, 16).ok()? != port {
            return None;
        }
        // local_address was field 1; the inode is field 9.
        fields.nth(7)?.parse().ok()
    };
    table.lines().skip(1).filter_map(row).collect()
}

fn find_process(proc: &Path, inodes: &[u64]) -> Option<PortHolder> {
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

    #[test]
    fn inodes_are_read_from_the_kernels_table() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n \
             510: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 18921 2 0000000000000000 0\n \
             511: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 18922 2 0000000000000000 0\n";
        assert_eq!(inodes_of_port(table, 67), [18921]);
        assert_eq!(inodes_of_port(table, 68), [0; 0]);
    }

    #[test]
    fn the_process_that_holds_a_port_is_named() {
        let held = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let PortHolder::Process { id, name } = find_port_holder(port) else { panic!("not found") };
        assert_eq!(id, std::process::id());
        assert!(!name.is_empty());
        let told = SocketError::PortUsed { port: 67, interface: Some("eth0".into()), holder: find_port_holder(port) }
            .to_string();
        let expected = format!("UDP port 67 on eth0 is already used by {name} (process {id}): stop it");
        assert!(told.starts_with(&expected), "{told}");
    }
}
