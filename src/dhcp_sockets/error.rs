//! What can keep the sockets from opening, each with its mend.

use std::io;
use std::net::Ipv4Addr;

use thiserror::Error;

use crate::port_holder::PortHolder;

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

impl SocketError {
    pub(crate) fn system(what: impl Into<String>, source: io::Error) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_port_is_told_with_its_holder_and_the_mend() {
        let holder = PortHolder::Process { id: 7, name: "dnsmasq".into() };
        let told = SocketError::PortUsed { port: 67, interface: Some("eth0".into()), holder }.to_string();
        let expected =
            "UDP port 67 on eth0 is already used by dnsmasq (process 7): stop it, or give it other interfaces";
        assert_eq!(told, expected);
    }
}
