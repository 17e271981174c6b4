//! The TFTP root: files for machines that boot, read-only. [`tftp`] decides what goes out and when; here are the
//! sockets, the files and the limits.
//!
//! Who asks is answered only from the subnets and from this machine. A file is opened beneath the root by the kernel's
//! own rule (`openat2` with `RESOLVE_BENEATH`), so that no `..` and no symbolic link leads out, also when somebody moves
//! directories meanwhile. Each transfer has a socket and a task of its own; past [`TRANSFERS_MAX`], or
//! [`TRANSFERS_PER_CLIENT_MAX`] of one address, a request meets silence, so that the client asks again.

mod files;
mod sender;

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::Ipv4Net;
use tftp::packet::{ErrorCode, Mode, Packet, encode_error};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tracing::{debug, info, warn};

use crate::port_holder::{PortHolder, find_address_holder};
use crate::quiet::Quiet;
use files::{Root, Unavailable};

/// How many files are on their way at once, to all clients.
const TRANSFERS_MAX: usize = 256;
/// And to one address.
const TRANSFERS_PER_CLIENT_MAX: usize = 8;
/// Files read that are told in ten seconds: a room that boots is. Who reads a small file over and over is not.
const READ_LINES: u32 = 64;
/// The longest request that is read: RFC 2347's limit.
const REQUEST_BYTES_MAX: usize = 512;

/// Why files are not served.
#[derive(Debug, thiserror::Error)]
pub enum TftpError {
    /// The directory is not there, or not for us.
    #[error("cannot open the TFTP root {0}: make the directory, or take [tftp] out")]
    Root(String, #[source] std::io::Error),
    /// The kernel is older than 5.6, or something forbids the call.
    #[error(
        "cannot serve files by TFTP safely: this system has no openat2, which keeps clients below the root; take \
         [tftp] out"
    )]
    NoOpenat2,
    /// Another program has the port.
    #[error("cannot serve TFTP on {address}: the port is already used by {holder}: stop it, or take [tftp] out")]
    PortUsed {
        /// Where.
        address: SocketAddr,
        /// Who has it.
        holder: PortHolder,
    },
    /// Something else that the system refused.
    #[error("cannot serve TFTP on {0}")]
    Bind(SocketAddr, #[source] std::io::Error),
}

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub struct TftpServer {
    shared: Arc<Shared>,
    listeners: BTreeMap<SocketAddr, AbortHandle>,
}

#[derive(Debug)]
struct Shared {
    root: Root,
    allowed: Vec<Ipv4Net>,
    /// Who is being served, each with where it asked.
    running: Mutex<HashMap<SocketAddr, SocketAddr>>,
    refused: Quiet,
    busy: Quiet,
    read: Quiet,
}

impl TftpServer {
    /// Opens the root; nothing is listened on yet. `allowed` are the prefixes whose clients are answered.
    ///
    /// # Errors
    /// There is no such directory, or this kernel cannot keep clients in it.
    pub fn new(root: &Path, allowed: Vec<Ipv4Net>) -> Result<Self, TftpError> {
        let root = Root::open(root)?;
        let (refused, busy, read) = (Quiet::default(), Quiet::default(), Quiet::after(READ_LINES));
        let shared = Shared { root, allowed, running: Mutex::default(), refused, busy, read };
        Ok(Self { shared: Arc::new(shared), listeners: BTreeMap::new() })
    }

    /// Listens on these addresses and no others; each that cannot be had is an error, and the others are listened on.
    /// Must be called within a runtime.
    pub fn listen(&mut self, wanted: &[SocketAddr]) -> Vec<TftpError> {
        self.listeners.retain(|address, task| {
            let keep = wanted.contains(address) && !task.is_finished();
            if !keep {
                task.abort();
            }
            keep
        });
        let mut errors = Vec::new();
        for address in wanted {
            if self.listeners.contains_key(address) {
                continue;
            }
            match bind(*address) {
                Ok(socket) => {
                    let shared = Arc::clone(&self.shared);
                    let task = tokio::spawn(receive(shared, Arc::new(socket)));
                    self.listeners.insert(*address, task.abort_handle());
                    info!("files are served by TFTP on {address}");
                }
                Err(error) => errors.push(error),
            }
        }
        errors
    }
}

impl Drop for TftpServer {
    fn drop(&mut self) {
        self.listeners.values().for_each(AbortHandle::abort);
    }
}

fn bind(address: SocketAddr) -> Result<UdpSocket, TftpError> {
    let system = |source: std::io::Error| match source.kind() {
        ErrorKind::AddrInUse => TftpError::PortUsed { address, holder: find_address_holder(address) },
        _ => TftpError::Bind(address, source),
    };
    let socket = std::net::UdpSocket::bind(address).map_err(system)?;
    socket.set_nonblocking(true).map_err(system)?;
    UdpSocket::from_std(socket).map_err(system)
}

async fn receive(shared: Arc<Shared>, socket: Arc<UdpSocket>) {
    let mut buffer = [0; REQUEST_BYTES_MAX];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((bytes, client)) => shared.take(&buffer[..bytes], client, &socket),
            // Of an answer of ours that nobody wanted.
            Err(error) => debug!("TFTP: {error}"),
        }
    }
}

impl Shared {
    fn is_allowed(&self, client: IpAddr) -> bool {
        match client {
            IpAddr::V4(address) => address.is_loopback() || self.allowed.iter().any(|net| net.contains(&address)),
            IpAddr::V6(address) => address.is_loopback(),
        }
    }

    fn take(self: &Arc<Self>, datagram: &[u8], client: SocketAddr, socket: &UdpSocket) {
        if !self.is_allowed(client.ip()) {
            if let Some(more) = self.refused.may_tell() {
                warn!("TFTP: {client} is in no subnet and is not answered{more}");
            }
            return;
        }
        let refuse = |code, message: &str| {
            let mut error = Vec::new();
            encode_error(code, message, &mut error);
            // A client that is not told asks again.
            let _ = socket.try_send_to(&error, client);
        };
        let request = match Packet::parse(datagram) {
            Ok(Packet::Read(request)) => request,
            Ok(Packet::Write) => return refuse(ErrorCode::AccessViolation, "this server is only read from"),
            // RFC 1350 section 4: a packet of a transfer that is not known is told so, but an ERROR is not answered.
            Ok(Packet::Ack(_) | Packet::Other) => return refuse(ErrorCode::UnknownTransferId, "no such transfer"),
            Ok(Packet::Error(_)) | Err(_) => return,
        };
        if request.mode == Mode::Unknown {
            return refuse(ErrorCode::IllegalOperation, "only the modes octet and netascii are served");
        }
        let path = match tftp::name::path_below_root(request.name) {
            Ok(path) => path,
            Err(error) => {
                self.tell_refusal(client, &request.name.escape_ascii().to_string(), &error.to_string());
                return refuse(ErrorCode::AccessViolation, &error.to_string());
            }
        };
        let Ok(here) = socket.local_addr() else { return };
        let Some(place) = Place::take(self, client, here) else { return };
        let order = sender::Order { path, mode: request.mode, wanted: request.wanted, client, here };
        tokio::spawn(async move {
            sender::serve(&place.shared, order).await;
            drop(place);
        });
    }

    fn tell_refusal(&self, client: SocketAddr, name: &str, why: &str) {
        if let Some(more) = self.refused.may_tell() {
            info!("TFTP: {} does not get {name}: {why}{more}", client.ip());
        }
    }
}

/// A transfer's place among those that run; free again when it is dropped.
struct Place {
    shared: Arc<Shared>,
    client: SocketAddr,
}

impl Place {
    /// `None`: the client is being served already (it repeats its request), or there are too many.
    fn take(shared: &Arc<Shared>, client: SocketAddr, here: SocketAddr) -> Option<Self> {
        let mut running = shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.get(&client) == Some(&here) {
            return None;
        }
        let of_client = running.keys().filter(|one| one.ip() == client.ip()).count();
        if running.len() >= TRANSFERS_MAX || of_client >= TRANSFERS_PER_CLIENT_MAX || running.contains_key(&client) {
            if let Some(more) = shared.busy.may_tell() {
                warn!(
                    "TFTP: {} transfers run, {of_client} of {}: it has to ask again{more}",
                    running.len(),
                    client.ip()
                );
            }
            return None;
        }
        running.insert(client, here);
        Some(Self { shared: Arc::clone(shared), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.client);
    }
}

impl Unavailable {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::FileNotFound,
            Self::Outside | Self::NotAFile | Self::NotReadable => ErrorCode::AccessViolation,
            Self::TooLongForText | Self::Other(_) => ErrorCode::NotDefined,
        }
    }
}

#[cfg(test)]
mod tests;
