//! One attempt to ask one upstream: by datagram (`lines`), or by a connection.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use resolve::query::Outgoing;
use resolve::upstreams::ATTEMPT_MS;
use resolve::{Heard, Over, Said};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Peer;

/// What came of an attempt: an answer, or what is said of it.
pub(super) type Came = Result<Heard, Said>;

/// Asks as the upstream wants to be asked; `stream`: a datagram was too small; `alone`: by a port of its own, whatever else
/// comes there.
pub(super) async fn attempt(peer: &Peer, sent: &Outgoing, (stream, alone): (bool, bool)) -> Came {
    let address = peer.upstream.address;
    match peer.upstream.over {
        Over::Tls { .. } | Over::Https { .. } => match &peer.channel {
            Some(channel) => channel.ask(sent).await,
            None => Err(Said::Unreachable),
        },
        Over::Datagrams if !stream => peer.lines.ask(sent, alone).await,
        Over::Datagrams | Over::Tcp => by_tcp(address, sent).await,
    }
}

pub(super) fn unreachable_or_silent(error: &std::io::Error) -> Said {
    // What this machine lacks says nothing of the upstream.
    let lacks = [nix::libc::EMFILE, nix::libc::ENFILE, nix::libc::ENOBUFS, nix::libc::ENOMEM];
    if error.raw_os_error().is_some_and(|code| lacks.contains(&code)) {
        return Said::NotAsked;
    }
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Said::Unreachable,
        _ => Said::Nothing,
    }
}

/// Asks by TCP (RFC 7766), one question a connection: answers too large for a datagram are few.
async fn by_tcp(upstream: SocketAddr, sent: &Outgoing) -> Came {
    let exchange = async {
        let mut stream = TcpStream::connect(upstream).await?;
        stream.set_nodelay(true)?;
        exchange_stream(&mut stream, sent).await
    };
    match tokio::time::timeout(Duration::from_millis(ATTEMPT_MS), exchange).await {
        Ok(Ok(octets)) => read(&octets, sent),
        Ok(Err(error)) => Err(unreachable_or_silent(&error)),
        Err(_) => Err(Said::Nothing),
    }
}

/// Judges what came by a stream: there nobody else can have sent it, so that what is no answer is the upstream's lie.
pub(super) fn read(octets: &[u8], sent: &Outgoing) -> Came {
    match Heard::read(octets, sent) {
        // Nothing is larger than a stream.
        Ok(Heard::Truncated) => Err(Said::Lied),
        Ok(heard) => Ok(heard),
        Err(_) => Err(Said::Lied),
    }
}

/// RFC 1035 section 4.2.2: each message behind its length in two octets.
async fn exchange_stream<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    sent: &Outgoing,
) -> std::io::Result<Vec<u8>> {
    let mut framed = Vec::with_capacity(sent.octets.len() + 2);
    // A question is shorter than 300 octets.
    framed.extend_from_slice(&(sent.octets.len() as u16).to_be_bytes());
    framed.extend_from_slice(&sent.octets);
    stream.write_all(&framed).await?;
    stream.flush().await?;
    let length = stream.read_u16().await?;
    let mut octets = vec![0; usize::from(length)];
    stream.read_exact(&mut octets).await?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_not_the_upstreams_silence() {
        for code in [nix::libc::EMFILE, nix::libc::ENFILE, nix::libc::ENOBUFS] {
            assert_eq!(unreachable_or_silent(&std::io::Error::from_raw_os_error(code)), Said::NotAsked);
        }
        let refused = std::io::Error::from_raw_os_error(nix::libc::ECONNREFUSED);
        assert_eq!(unreachable_or_silent(&refused), Said::Unreachable);
    }
}
