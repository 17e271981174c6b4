//! One transfer: the core's decisions become datagrams.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tftp::packet::{ErrorCode, Mode, Packet, Wanted, encode_data_head, encode_error};
use tftp::transfer::{Next, Transfer};
use tokio::net::UdpSocket;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{debug, info};

use super::files::{Source, Unavailable};
use super::{REQUEST_BYTES_MAX, Shared};

/// What a client has asked for, and where.
pub(super) struct Order {
    pub(super) path: PathBuf,
    pub(super) mode: Mode,
    pub(super) wanted: Wanted,
    pub(super) client: SocketAddr,
    pub(super) here: SocketAddr,
}

/// Sends the file, or says why not. Ends within a minute after the client's last word.
pub(super) async fn serve(shared: &Arc<Shared>, order: Order) {
    let (name, client) = (order.path.display().to_string(), order.client);
    let socket = match own_socket(order.here, client).await {
        Ok(socket) => socket,
        Err(error) => {
            debug!("TFTP: no socket for {client}: {error}");
            return;
        }
    };
    let opened = {
        let shared = Arc::clone(shared);
        // A disk may take its time.
        spawn_blocking(move || shared.root.file(&order.path, order.mode)).await
    };
    let source = match opened.unwrap_or_else(|panic| Err(Unavailable::Other(panic.into()))) {
        Ok(source) => Arc::new(source),
        Err(unavailable) => {
            shared.tell_refusal(client, &name, &crate::words(&unavailable));
            tell(&socket, unavailable.code(), &unavailable.to_string()).await;
            return;
        }
    };
    let started = Instant::now();
    let length = source.length();
    match send(&socket, source, order.wanted, started).await {
        Ok(Next::Done) => {
            let secs = started.elapsed().as_secs_f32();
            if let Some(more) = shared.read.may_tell() {
                info!("TFTP: {} has read {name}: {length} bytes in {secs:.1} s{more}", client.ip());
            }
        }
        // Boot roms ask for the length, and break off.
        Ok(Next::Aborted(code)) => debug!("TFTP: {client} broke off {name} with error {code}"),
        Ok(_) => debug!("TFTP: {client} is not heard any more; {name} was not read to its end"),
        Err(error) => {
            debug!("TFTP: {name} for {client}: {error}");
            tell(&socket, ErrorCode::NotDefined, "the file cannot be read any more").await;
        }
    }
}

/// RFC 1350 section 4: each transfer has a port of its own. Connected, so that the kernel drops what others send to it.
async fn own_socket(here: SocketAddr, client: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::new(here.ip(), 0)).await?;
    socket.connect(client).await?;
    Ok(socket)
}

async fn tell(socket: &UdpSocket, code: ErrorCode, message: &str) {
    let mut error = Vec::new();
    encode_error(code, message, &mut error);
    // Who misses it asks again.
    let _ = socket.send(&error).await;
}

/// How it ended.
async fn send(socket: &UdpSocket, source: Arc<Source>, wanted: Wanted, started: Instant) -> std::io::Result<Next> {
    let now_ms = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (mut transfer, mut next) = Transfer::start(wanted, source.length(), now_ms());
    let mut buffer = [0; REQUEST_BYTES_MAX];
    loop {
        match next {
            Next::Wait => {}
            Next::SendOptions => {
                let mut options = Vec::new();
                transfer.granted().encode(&mut options);
                put(socket, &options).await?;
            }
            Next::Send(blocks) => {
                let places: Vec<_> = blocks.map(|block| transfer.place_of(block)).collect();
                for datagram in read(Arc::clone(&source), places).await? {
                    put(socket, &datagram).await?;
                }
            }
            Next::Done | Next::Aborted(_) | Next::Lost => return Ok(next),
        }
        let left = Duration::from_millis(transfer.deadline_ms().saturating_sub(now_ms()));
        next = match timeout(left, socket.recv(&mut buffer)).await {
            Ok(Ok(bytes)) => match Packet::parse(&buffer[..bytes]) {
                Ok(packet) => transfer.handle(&packet, now_ms()),
                Err(_) => Next::Wait,
            },
            // Its port is closed.
            Ok(Err(_)) => Next::Lost,
            Err(_) => transfer.handle_timeout(now_ms()),
        };
    }
}

/// A window's blocks as datagrams: some 90 kB at most.
async fn read(source: Arc<Source>, places: Vec<(u16, std::ops::Range<u64>)>) -> std::io::Result<Vec<Vec<u8>>> {
    let reading = move || {
        places
            .into_iter()
            .map(|(block, range)| {
                let mut datagram = Vec::with_capacity(1_500);
                encode_data_head(block, &mut datagram);
                source.read(range, &mut datagram)?;
                Ok(datagram)
            })
            .collect()
    };
    spawn_blocking(reading).await.map_err(std::io::Error::other)?
}

/// What the network does not take is lost, as on any wire; the client's silence brings it again.
async fn put(socket: &UdpSocket, datagram: &[u8]) -> std::io::Result<()> {
    match socket.send(datagram).await {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionRefused => {
            debug!("TFTP: {error}");
            Ok(())
        }
        _ => Ok(()),
    }
}
