//! Binding, with errors that name the address and the mend.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

use crate::port_holder::{PortHolder, find_address_holder};

/// Room for a burst of questions that come while one is being answered, in octets; the kernel may grant less.
const RECEIVE_BUFFER_OCTETS: usize = 1 << 20;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// How often another free port is tried for both protocols.
const PORT_TRIES: usize = 16;

/// An address that DNS cannot be served on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has the port, for UDP or for TCP.
    #[error(
        "cannot serve DNS on {}: port {} is already used by {holder}: stop it, or serve DNS elsewhere ({key} in [dns])",
        .address.ip(), .address.port()
    )]
    PortUsed {
        /// The address.
        address: SocketAddr,
        /// Where the configuration says so.
        key: &'static str,
        /// Who has it.
        holder: PortHolder,
    },
    /// We may not.
    #[error(
        "cannot serve DNS on {}: port {} may only be opened by root or with the capability CAP_NET_BIND_SERVICE; run \
         as root, or choose a port from 1024 on", .0.ip(), .0.port()
    )]
    NoPermission(SocketAddr),
    /// No interface has the address.
    #[error(
        "cannot serve DNS on {}: it is not an address of this machine; `ip address` lists what there is", .0.ip()
    )]
    NotOurAddress(SocketAddr),
    /// Something else that the system refused.
    #[error("cannot serve DNS on {address}")]
    System {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, key: &'static str, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::AddrInUse => Self::PortUsed { address, key, holder: find_address_holder(address) },
            ErrorKind::PermissionDenied => Self::NoPermission(address),
            ErrorKind::AddrNotAvailable => Self::NotOurAddress(address),
            _ => Self::System { address, source },
        }
    }
}

/// One address, bound for both protocols.
pub(super) struct Bound {
    pub(super) address: SocketAddr,
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
}

pub(super) fn bind(address: SocketAddr) -> Result<Bound, BindError> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match bind_both(address) {
            // A port that is free for UDP may be taken for TCP.
            Err(error) if error.kind() == ErrorKind::AddrInUse && tries > 0 => {}
            result => return result.map_err(|source| BindError::new(address, "`listen` or `port`", source)),
        }
    }
}

fn bind_both(address: SocketAddr) -> io::Result<Bound> {
    let udp = UdpSocket::from_std(open(address, Type::DGRAM)?.into())?;
    let address = udp.local_addr()?;
    Ok(Bound { address, udp, tcp: listen(address)? })
}

/// A place for connections alone; `key` says where the configuration asks for it.
pub(super) fn bind_stream(address: SocketAddr, key: &'static str) -> Result<TcpListener, BindError> {
    listen(address).map_err(|source| BindError::new(address, key, source))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let stream = open(address, Type::STREAM)?;
    stream.listen(BACKLOG)?;
    TcpListener::from_std(stream.into())
}

fn open(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let protocol = if kind == Type::DGRAM { Protocol::UDP } else { Protocol::TCP };
    let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // Connections of a former run that linger do not keep the port.
        socket.set_reuse_address(true)?;
    } else {
        // The kernel's own limit applies; less room is no reason not to serve.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_OCTETS);
        // One that has all addresses is told which of them was asked: the answer comes from that one.
        match address.ip() {
            IpAddr::V4(own) if own.is_unspecified() => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            IpAddr::V6(own) if own.is_unspecified() => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
            _ => {}
        }
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn refusal(address: SocketAddr) -> String {
        bind(address).err().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_used_port_is_named_with_its_holder_and_the_mend() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = first.address.port();
        let words = refusal(first.address);
        assert!(
            words.starts_with(&format!("cannot serve DNS on 127.0.0.1: port {port} is already used by ")),
            "{words}"
        );
        assert!(
            words.contains(&format!("(process {}): stop it, or serve DNS elsewhere", std::process::id())),
            "{words}"
        );
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_named() {
        let words = refusal("192.0.2.1:0".parse().unwrap());
        assert!(words.starts_with("cannot serve DNS on 192.0.2.1: it is not an address of this machine"), "{words}");
    }
}
