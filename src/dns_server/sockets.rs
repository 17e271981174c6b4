//! Binding, with errors that name the address and the mend.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

/// Room for a burst of questions that come while one is being answered, in octets; the kernel may grant less.
const RECEIVE_BUFFER_OCTETS: usize = 1 << 20;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// How often another free port is tried for both protocols.
const PORT_TRIES: usize = 16;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve DNS on {address}: {}", mend(*address, source))]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What the kernel says.
    #[source]
    pub source: io::Error,
}

/// What an operator can do about it.
fn mend(address: SocketAddr, error: &io::Error) -> String {
    let (ip, port) = (address.ip(), address.port());
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "port {port} on {ip} is used by another program; `ss -lntup 'sport = :{port}'` names it: stop it, or \
             listen on another address"
        ),
        ErrorKind::PermissionDenied => format!(
            "port {port} may only be opened by root or with the capability CAP_NET_BIND_SERVICE; run as root, or \
             choose a port from 1024 on"
        ),
        ErrorKind::AddrNotAvailable => {
            format!("{ip} is not an address of this machine; `ip address` lists what there is")
        }
        _ => error.to_string(),
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
            result => return result.map_err(|source| BindError { address, source }),
        }
    }
}

fn bind_both(address: SocketAddr) -> io::Result<Bound> {
    let udp = UdpSocket::from_std(open(address, Type::DGRAM)?.into())?;
    let address = udp.local_addr()?;
    let stream = open(address, Type::STREAM)?;
    stream.listen(BACKLOG)?;
    Ok(Bound { address, udp, tcp: TcpListener::from_std(stream.into())? })
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
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[tokio::test]
    async fn a_used_port_is_named_with_its_mend() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let Err(error) = bind(first.address) else { panic!("bound twice") };
        let words = error.to_string();
        assert!(words.contains(&format!("port {} on 127.0.0.1 is used by another program", first.address.port())));
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_named() {
        let Err(error) = bind("192.0.2.1:0".parse().unwrap()) else { panic!("bound") };
        assert!(error.to_string().contains("192.0.2.1 is not an address of this machine"));
    }
}
