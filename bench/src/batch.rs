//! A UDP socket that takes and sends many datagrams in one system call.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::Context;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, setsockopt, sockopt};

/// Datagrams in one call.
pub(crate) const BATCH: usize = 64;
const DATAGRAM: usize = 1_500;
/// Asked of the kernel for each direction, in bytes: a burst must not be lost in a queue.
const QUEUE: usize = 4 << 20;

/// See the module.
pub(crate) struct BatchSocket {
    socket: UdpSocket,
    buffers: Box<[[u8; DATAGRAM]]>,
    /// Length and sender of each datagram received last.
    received: Vec<(usize, Option<SockaddrIn>)>,
}

impl BatchSocket {
    /// Bound to `address`; a wait for datagrams ends after `wait` at the latest.
    pub(crate) fn bind(address: SocketAddrV4, wait: Duration) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind(address).with_context(|| format!("binding {address}"))?;
        socket.set_read_timeout(Some(wait))?;
        // What the kernel's limit does not let through is told by retries in the figures.
        _ = setsockopt(&socket, sockopt::RcvBufForce, &QUEUE);
        _ = setsockopt(&socket, sockopt::SndBufForce, &QUEUE);
        Ok(Self { socket, buffers: vec![[0; DATAGRAM]; BATCH].into_boxed_slice(), received: Vec::new() })
    }

    /// Waits for at least one datagram, and takes what is there; false when the wait ended first.
    pub(crate) fn receive(&mut self) -> anyhow::Result<bool> {
        let Self { socket, buffers, received } = self;
        received.clear();
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer.as_mut_slice())]).collect();
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(slices.len(), None);
        let flags = MsgFlags::MSG_WAITFORONE;
        match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None) {
            Ok(messages) => received.extend(messages.map(|message| (message.bytes, message.address))),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => return Err(error).context("receiving"),
        }
        Ok(!received.is_empty())
    }

    /// The datagrams received last, and who sent each.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = (&[u8], Option<SockaddrIn>)> {
        self.received.iter().zip(&self.buffers).map(|((len, from), buffer)| (&buffer[..*len], *from))
    }

    /// Sends them all.
    pub(crate) fn send(&self, datagrams: &[(Vec<u8>, SockaddrIn)]) -> anyhow::Result<()> {
        for part in datagrams.chunks(BATCH) {
            let mut left = part;
            while !left.is_empty() {
                let slices: Vec<[IoSlice<'_>; 1]> = left.iter().map(|(bytes, _)| [IoSlice::new(bytes)]).collect();
                let to: Vec<Option<SockaddrIn>> = left.iter().map(|(_, to)| Some(*to)).collect();
                let mut headers = MultiHeaders::<SockaddrIn>::preallocate(left.len(), None);
                let none: [ControlMessage<'_>; 0] = [];
                let sent =
                    sendmmsg(self.socket.as_raw_fd(), &mut headers, &slices, &to, none, MsgFlags::empty())?.count();
                left = &left[sent..];
            }
        }
        Ok(())
    }
}
