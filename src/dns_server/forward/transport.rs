//! One attempt to ask one upstream: by datagram, or by a connection.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dns::Rcode;
use resolve::query::Outgoing;
use resolve::upstreams::ATTEMPT_MS;
use resolve::{Heard, Lie, Over, Said, Upstream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::channel::Channel;

/// The largest datagram read. More than is asked for, since some servers do not look at that; what is larger is no answer.
const DATAGRAM_OCTETS_MAX: usize = 4_096;
/// So many datagrams that are no answer, and the attempt is over: somebody guesses.
const LIES_MAX: usize = 16;

/// What came of an attempt: an answer, or what is said of it.
pub(super) type Came = Result<Heard, Said>;

/// Asks as the upstream wants to be asked; `stream`: a datagram was too small.
pub(super) async fn attempt(
    (upstream, channel): (&Upstream, Option<&Arc<Channel>>),
    sent: &Outgoing,
    stream: bool,
) -> Came {
    match upstream.over {
        Over::Tls { .. } | Over::Https { .. } => match channel {
            Some(channel) => channel.ask(sent).await,
            None => Err(Said::Unreachable),
        },
        Over::Datagrams if !stream => by_datagram(upstream.address, sent).await,
        Over::Datagrams | Over::Tcp => by_tcp(upstream.address, sent).await,
    }
}

/// Asks by datagram, from a socket of its own: the system gives it a random port, and it takes datagrams of this
/// upstream alone (RFC 5452 section 9.2).
async fn by_datagram(upstream: SocketAddr, sent: &Outgoing) -> Came {
    let came = tokio::time::timeout(Duration::from_millis(ATTEMPT_MS), exchange_datagrams(upstream, sent)).await;
    match came {
        Ok(Ok(came)) => came,
        Ok(Err(error)) => Err(unreachable_or_silent(&error)),
        Err(_) => Err(Said::Nothing),
    }
}

async fn exchange_datagrams(upstream: SocketAddr, sent: &Outgoing) -> std::io::Result<Came> {
    let any = if upstream.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(upstream).await?;
    socket.send(&sent.octets).await?;
    let mut octets = vec![0; DATAGRAM_OCTETS_MAX + 1];
    let mut plain: Option<Outgoing> = None;
    for _ in 0..LIES_MAX {
        let length = socket.recv(&mut octets).await?;
        if length > DATAGRAM_OCTETS_MAX {
            continue;
        }
        match Heard::read(&octets[..length], plain.as_ref().unwrap_or(sent)) {
            // RFC 6891 section 7: "Responders that choose not to implement the protocol extensions ... MUST respond with
            // a return code (RCODE) of FORMERR": then it is asked without them.
            Ok(Heard::Refusal(Rcode::FORM_ERR | Rcode::NOT_IMP)) if plain.is_none() => {
                let without = sent.without_edns();
                socket.send(&without.octets).await?;
                plain = Some(without);
            }
            Ok(heard) => return Ok(Ok(heard)),
            // A server that does not keep the letters, or somebody who guesses: by a stream nobody can.
            Err(Lie::Letters) => return Ok(Ok(Heard::Truncated)),
            // Another one's may come before the true answer.
            Err(lie) => tracing::debug!(%upstream, %lie, "a datagram is no answer"),
        }
    }
    Ok(Err(Said::Lied))
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
