//! A small relay agent (RFC 1542, RFC 3046) for clients of this machine.
//!
//! A relay usually takes replies on port 67, which needs privilege; this one asks for them on the port that it
//! sends from (RFC 8357). And its own address need not be in the clients' subnet: it names that by link
//! selection (RFC 3527). Nothing about it is special to the server.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use dhcp::options::{code, relay_code};
use tokio::net::UdpSocket;

/// Header and magic cookie: where the options begin.
const OPTIONS_AT: usize = 240;
/// RFC 1542 section 2.1: a BOOTP message has 300 bytes at least.
const MESSAGE_BYTES_MIN: usize = 300;
/// RFC 1542 section 4.1.1: "The relay agent MUST silently discard BOOTREQUEST messages whose 'hops' field exceeds
/// the value 16."
const HOPS_MAX: u8 = 16;
/// Clients whose replies are awaited; the longest waiting is forgotten first.
const CLIENTS_MAX: usize = 64;

/// A relay agent, running until it is dropped.
#[derive(Debug)]
pub struct Relay {
    clients_at: SocketAddrV4,
    task: tokio::task::JoinHandle<()>,
}

/// What the relay says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    /// giaddr: where the server sends its replies.
    pub address: Ipv4Addr,
    /// An address in the clients' subnet (RFC 3527).
    pub link: Ipv4Addr,
}

impl Relay {
    /// Starts a relay that takes clients' messages on a free port of `agent.address` and hands them to `server`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(agent: Agent, server: SocketAddrV4) -> io::Result<Self> {
        let clients = UdpSocket::bind((agent.address, 0)).await?;
        let servers = UdpSocket::bind((agent.address, 0)).await?;
        let SocketAddr::V4(clients_at) = clients.local_addr()? else { return Err(io::ErrorKind::Unsupported.into()) };
        let task = tokio::spawn(async move {
            if let Err(error) = forward(agent, server, &clients, &servers).await {
                tracing::error!(%error, "the built-in relay has failed");
            }
        });
        Ok(Self { clients_at, task })
    }

    /// Where clients send their messages.
    #[must_use]
    pub fn clients_at(&self) -> SocketAddrV4 {
        self.clients_at
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(agent: Agent, server: SocketAddrV4, clients: &UdpSocket, servers: &UdpSocket) -> io::Result<()> {
    let mut waiting: VecDeque<(u32, SocketAddr)> = VecDeque::new();
    let (mut from_client, mut from_server) = ([0; 1500], [0; 1500]);
    loop {
        tokio::select! {
            received = clients.recv_from(&mut from_client) => {
                let (len, client) = received?;
                let Some(message) = towards_server(&from_client[..len], agent) else { continue };
                let Some(xid) = xid(&message) else { continue };
                waiting.retain(|(known, _)| *known != xid);
                waiting.push_back((xid, client));
                if waiting.len() > CLIENTS_MAX {
                    waiting.pop_front();
                }
                servers.send_to(&message, server).await?;
            }
            received = servers.recv_from(&mut from_server) => {
                let (len, source) = received?;
                if source != SocketAddr::V4(server) {
                    continue;
                }
                let Some(message) = towards_client(&from_server[..len], agent) else { continue };
                let client = waiting.iter().find(|(known, _)| Some(*known) == xid(&message));
                if let Some((_, client)) = client {
                    clients.send_to(&message, client).await?;
                }
            }
        }
    }
}

fn xid(message: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(message.get(4..8)?.try_into().ok()?))
}

/// A client's message as it goes to the server: one more hop, `giaddr` and option 82 set. `None` for what a relay
/// discards: no BOOTREQUEST, one that was relayed before, one without an end.
fn towards_server(message: &[u8], agent: Agent) -> Option<Vec<u8>> {
    const BOOTREQUEST: u8 = 1;
    let hops = *message.get(3)?;
    let giaddr = message.get(24..28)?;
    if message[0] != BOOTREQUEST || hops >= HOPS_MAX || giaddr != [0; 4] {
        return None;
    }
    let (options, end) = options_of(message)?;
    // RFC 3046 section 2.1: a relay agent drops what comes from a client with option 82 in it already.
    if options.iter().any(|option| option.code == code::RELAY_AGENT_INFORMATION) {
        return None;
    }
    let mut relayed = message[..end].to_vec();
    relayed[3] = hops + 1;
    relayed[24..28].copy_from_slice(&agent.address.octets());
    let circuit = b"demo";
    let mut information = vec![relay_code::AGENT_CIRCUIT_ID, 4];
    information.extend_from_slice(circuit);
    information.extend_from_slice(&[relay_code::LINK_SELECTION, 4]);
    information.extend_from_slice(&agent.link.octets());
    information.extend_from_slice(&[relay_code::RELAY_SOURCE_PORT, 0]);
    relayed.extend_from_slice(&[code::RELAY_AGENT_INFORMATION, u8::try_from(information.len()).ok()?]);
    relayed.extend_from_slice(&information);
    finish(&mut relayed);
    Some(relayed)
}

/// A server's reply as it goes to the client: without option 82 (RFC 3046 section 2.1: the agent "shall remove" it).
/// `None` for what is no reply to this relay.
fn towards_client(message: &[u8], agent: Agent) -> Option<Vec<u8>> {
    const BOOTREPLY: u8 = 2;
    if *message.first()? != BOOTREPLY || message.get(24..28)? != agent.address.octets() {
        return None;
    }
    let (options, _) = options_of(message)?;
    let mut reply = message[..OPTIONS_AT].to_vec();
    for option in options.iter().filter(|option| option.code != code::RELAY_AGENT_INFORMATION) {
        reply.extend_from_slice(option.bytes);
    }
    finish(&mut reply);
    Some(reply)
}

struct RawOption<'a> {
    code: u8,
    /// Code, length and data.
    bytes: &'a [u8],
}

/// The options, and where they end (the place of END, or of what is missing). `None` when one is cut off.
fn options_of(message: &[u8]) -> Option<(Vec<RawOption<'_>>, usize)> {
    let (mut options, mut at) = (Vec::new(), OPTIONS_AT);
    if message.len() < OPTIONS_AT {
        return None;
    }
    while let Some(&code) = message.get(at) {
        match code {
            code::END => break,
            code::PAD => at += 1,
            _ => {
                let end = at + 2 + usize::from(*message.get(at + 1)?);
                options.push(RawOption { code, bytes: message.get(at..end)? });
                at = end;
            }
        }
    }
    Some((options, at))
}

fn finish(message: &mut Vec<u8>) {
    message.push(code::END);
    message.resize(message.len().max(MESSAGE_BYTES_MIN), code::PAD);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panic")]
mod tests {
    use dhcp::client::{ClientMessage, ServerMessage};
    use dhcp::identity::HardwareAddress;
    use dhcp::message::{Message, MessageType};
    use dhcp::reply::Reply;

    use super::*;

    const AGENT: Agent = Agent { address: Ipv4Addr::LOCALHOST, link: Ipv4Addr::new(192, 168, 30, 1) };

    fn discover() -> Vec<u8> {
        let hardware = HardwareAddress::new(1, &[2, 0, 0, 0, 0, 9]).unwrap();
        let mut bytes = Vec::new();
        ClientMessage::new(MessageType::Discover, 7, hardware).with(code::HOST_NAME, *b"client1").encode(&mut bytes);
        bytes
    }

    #[test]
    fn a_relayed_message_names_relay_link_and_port() {
        let relayed = towards_server(&discover(), AGENT).unwrap();
        let message = Message::parse(&relayed).unwrap();
        assert_eq!((message.giaddr, message.hops), (AGENT.address, 1));
        assert_eq!(message.hostname(), b"client1");
        let information = message.relay_agent_info();
        assert_eq!(information.get(relay_code::LINK_SELECTION), Some(&AGENT.link.octets()[..]));
        assert!(information.relay_source_port());
    }

    #[test]
    fn what_was_relayed_before_or_came_too_far_is_discarded() {
        let once = towards_server(&discover(), AGENT).unwrap();
        assert_eq!(towards_server(&once, AGENT), None);
        let mut far = discover();
        far[3] = HOPS_MAX;
        assert_eq!(towards_server(&far, AGENT), None);
        let mut forged = once;
        forged[24..28].fill(0);
        assert_eq!(towards_server(&forged, AGENT), None);
    }

    #[test]
    fn a_reply_reaches_the_client_without_option_82() {
        let relayed = towards_server(&discover(), AGENT).unwrap();
        let mut reply = Reply::answering(&Message::parse(&relayed).unwrap(), MessageType::Offer, AGENT.address);
        reply.yiaddr = Ipv4Addr::new(192, 168, 30, 100);
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        let to_client = towards_client(&bytes, AGENT).unwrap();
        let message = ServerMessage::parse(&to_client).unwrap();
        assert_eq!((message.message_type, message.xid, message.yiaddr), (MessageType::Offer, 7, reply.yiaddr));
        assert_eq!(message.options.get(code::RELAY_AGENT_INFORMATION), None);
        assert_eq!(message.server_identifier(), Some(AGENT.address));
        let other = Agent { address: Ipv4Addr::new(127, 0, 0, 2), ..AGENT };
        assert_eq!(towards_client(&bytes, other), None);
    }

    #[test]
    fn a_message_cut_anywhere_is_discarded_or_relayed_and_no_more() {
        let whole = discover();
        for len in 0..whole.len() {
            let _ = towards_server(&whole[..len], AGENT);
            let _ = towards_client(&whole[..len], AGENT);
        }
    }
}
