//! Opening the sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::error::SocketError;
use crate::port_holder::find_port_holder;

/// What we ask of the kernel for a receive queue, in bytes; without CAP_NET_ADMIN it grants at most net.core.rmem_max. A
/// reboot of a whole building arrives within a second.
const RECEIVE_QUEUE_BYTES: usize = 4 << 20;

/// A socket in the reactor, which tells when it can be read. That it can be written is not told: each datagram that has
/// left would wake whoever waits for the next one.
pub(crate) type AsyncSocket = AsyncFd<OwnedFd>;

/// The UDP socket of one interface, `0.0.0.0:port` bound to the device.
///
/// # Errors
/// The port is used, or we may not.
pub(super) fn open_on_interface(interface: &str, port: u16) -> Result<AsyncSocket, SocketError> {
    let what = format!("receive on UDP port {port} of {interface}");
    let socket = new_udp_socket(&what)?;
    socket
        .bind_device(Some(interface.as_bytes()))
        .map_err(|error| SocketError::from_io(&what, "CAP_NET_RAW", error))?;
    bind(&socket, Ipv4Addr::UNSPECIFIED, port, Some(interface))?;
    into_async(socket, &what)
}

/// The UDP socket of one address, whatever the interface.
///
/// # Errors
/// The port is used, we may not, or the address is not ours.
pub(super) fn open_on_address(address: Ipv4Addr, port: u16) -> Result<AsyncSocket, SocketError> {
    let what = format!("receive on {address}, UDP port {port}");
    let socket = new_udp_socket(&what)?;
    bind(&socket, address, port, None)?;
    into_async(socket, &what)
}

/// A packet socket that sends frames by any interface and receives nothing (protocol 0, packet(7)).
///
/// # Errors
/// We may not.
pub(super) fn open_frame_sender() -> Result<AsyncSocket, SocketError> {
    let what = "send frames to clients that have no address yet";
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))
        .map_err(|error| SocketError::from_io(what, "CAP_NET_RAW", error))?;
    into_async(socket, what)
}

/// A raw IPv4 socket that sends ready datagrams by the kernel's routes and receives nothing (IPPROTO_RAW,
/// raw(7)).
///
/// # Errors
/// We may not.
pub(super) fn open_datagram_sender() -> Result<AsyncSocket, SocketError> {
    const IPPROTO_RAW: i32 = 255;
    let what = "send replies by the machine's routes";
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(IPPROTO_RAW)))
        .map_err(|error| SocketError::from_io(what, "CAP_NET_RAW", error))?;
    into_async(socket, what)
}

/// A packet socket that sends frames by any interface and receives the IPv4 ones that `filter` lets through.
///
/// # Errors
/// We may not.
pub(crate) fn open_frame_listener(what: &str, filter: &[SockFilter]) -> Result<AsyncSocket, SocketError> {
    let failed = |error| SocketError::from_io(what, "CAP_NET_RAW", error);
    // A few frames can arrive before the filter is in place: the caller checks what it reads.
    let ipv4 = i32::from(0x0800_u16.to_be());
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(ipv4))).map_err(failed)?;
    socket.attach_filter(filter).map_err(failed)?;
    into_async(socket, what)
}

/// A packet socket that sends frames by any interface and receives the ARP packets of all.
///
/// # Errors
/// We may not.
pub(crate) fn open_arp_listener(what: &str) -> Result<AsyncSocket, SocketError> {
    /// SKF_AD_OFF + SKF_AD_PKTTYPE (linux/filter.h).
    const PACKET_TYPE: u32 = 0xffff_f000 + 4;
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_ABS | libc::BPF_W) as u16;
    const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    // A frame tagged for a VLAN that this machine has not comes as a packet "for another host": it is not this link's.
    let for_us = [
        SockFilter::new(LOAD, 0, 0, PACKET_TYPE),
        SockFilter::new(AT_LEAST, 1, 0, u32::from(libc::PACKET_OTHERHOST)),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ];
    let failed = |error| SocketError::from_io(what, "CAP_NET_RAW", error);
    let arp = i32::from(0x0806_u16.to_be());
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(arp))).map_err(failed)?;
    socket.attach_filter(&for_us).map_err(failed)?;
    into_async(socket, what)
}

/// A raw IPv4 socket that sends ICMP messages and receives the echo replies to this machine.
///
/// # Errors
/// We may not.
pub(crate) fn open_echo_socket(what: &str) -> Result<AsyncSocket, SocketError> {
    const HEADER_LENGTH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
    const BYTE_AT_INDEX: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_IND) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const ECHO_REPLY: u32 = 0;
    let echo_replies = [
        SockFilter::new(HEADER_LENGTH, 0, 0, 0),
        SockFilter::new(BYTE_AT_INDEX, 0, 0, 0),
        SockFilter::new(EQUAL, 0, 1, ECHO_REPLY),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ];
    let failed = |error| SocketError::from_io(what, "CAP_NET_RAW", error);
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).map_err(failed)?;
    socket.attach_filter(&echo_replies).map_err(failed)?;
    into_async(socket, what)
}

fn new_udp_socket(what: &str) -> Result<Socket, SocketError> {
    let open = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_broadcast(true)?;
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        // Past the machine's limit with CAP_NET_ADMIN. A smaller queue than we asked for is no reason to stop.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_QUEUE_BYTES).is_err() {
            let _ = socket.set_recv_buffer_size(RECEIVE_QUEUE_BYTES);
        }
        // The kernel doubles what it is asked for, for its own use.
        let granted = socket.recv_buffer_size()? / 2;
        if granted < RECEIVE_QUEUE_BYTES {
            tracing::info!(
                "the queue of what arrives has {granted} bytes and not {RECEIVE_QUEUE_BYTES}: when very many clients come \
                 at once, some have to ask again (the sysctl net.core.rmem_max, or CAP_NET_ADMIN, makes room)"
            );
        }
        Ok(socket)
    };
    open().map_err(|error| SocketError::system(what, error))
}

fn bind(socket: &Socket, address: Ipv4Addr, port: u16, interface: Option<&str>) -> Result<(), SocketError> {
    // No SO_REUSEADDR: two servers that both set it would share the port in silence, and each would miss
    // what the other got.
    socket.bind(&SocketAddrV4::new(address, port).into()).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            SocketError::PortUsed { port, interface: interface.map(str::to_owned), holder: find_port_holder(port) }
        }
        io::ErrorKind::AddrNotAvailable => SocketError::NotOurAddress { address },
        _ => SocketError::from_io(format!("open UDP port {port}"), "CAP_NET_BIND_SERVICE", error),
    })
}

fn into_async(socket: Socket, what: &str) -> Result<AsyncSocket, SocketError> {
    socket
        .set_nonblocking(true)
        .and_then(|()| into_reactor(OwnedFd::from(socket)))
        .map_err(|error| SocketError::system(what, error))
}

/// Hands a descriptor to the runtime, which then tells when it can be read.
#[expect(deprecated, reason = "its successor is unsafe, for types whose descriptor can change: an OwnedFd's cannot")]
pub(super) fn into_reactor(descriptor: OwnedFd) -> io::Result<AsyncSocket> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}

/// Waits until a socket can be written, or may be: once, since nothing else is to wake for it.
pub(super) async fn writable(socket: &AsyncSocket) -> io::Result<()> {
    let descriptor = socket.get_ref().try_clone()?;
    #[expect(deprecated, reason = "as above")]
    let waiting = AsyncFd::with_interest(descriptor, Interest::WRITABLE)?;
    waiting.writable().await?.retain_ready();
    Ok(())
}
