//! A small DHCP client (RFC 2131 section 4.4): it takes one lease, by way of a relay of this machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use dhcp::client::{ClientMessage, ServerMessage};
use dhcp::identity::HardwareAddress;
use dhcp::message::MessageType;
use dhcp::options::code;
use dns::Fqdn;
use thiserror::Error;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// RFC 2131 section 4.1: "the delay before the first retransmission SHOULD be 4 seconds"; on this machine nothing
/// takes so long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Each wait is twice the one before.
const TRIES: u32 = 4;
/// RFC 4702 section 2.1: the server should write the A record (S), and the name is in wire form (E).
const FQDN_FLAGS: u8 = 0b0000_0101;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its hardware address.
    pub hardware: HardwareAddress,
    /// The full name that it wants (option 81).
    pub name: Fqdn,
    /// Where it sends to: a relay's port for clients, in place of a broadcast.
    pub relay: SocketAddrV4,
    /// Ties replies to requests; random.
    pub xid: u32,
}

/// A message of the exchange, as it went over the wire.
#[derive(Clone, Copy, Debug)]
pub enum Exchanged<'a> {
    /// The client sent it.
    Sent(&'a ClientMessage),
    /// The server answered.
    Received(&'a ServerMessage<'a>),
}

/// What the client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// yiaddr of the ACK.
    pub address: Ipv4Addr,
    /// Option 51, in seconds.
    pub lease_secs: u32,
    /// Option 54.
    pub server_identifier: Ipv4Addr,
    /// When the ACK arrived.
    pub acknowledged_at: Instant,
}

/// Why there is no lease.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nothing came back.
    #[error("no {0:?} came, though it was asked for {TRIES} times")]
    Silence(MessageType),
    /// The server refused what it had offered.
    #[error("the server refused the address that it had offered{0}")]
    Refused(String),
    /// A reply without what it must hold.
    #[error("the server's {0:?} lacks {1}")]
    Incomplete(MessageType, &'static str),
    /// The socket failed.
    #[error("the client's socket failed")]
    Socket(#[from] io::Error),
}

impl Client {
    /// DISCOVER, OFFER, REQUEST, ACK. `tell` is called with each message once, in their order.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn take_lease(&self, tell: &mut (dyn FnMut(Exchanged<'_>) + Send)) -> Result<Leased, ClientError> {
        let socket = UdpSocket::bind((*self.relay.ip(), 0)).await?;
        socket.connect(self.relay).await?;
        let discover = self.message(MessageType::Discover);
        tell(Exchanged::Sent(&discover));
        let mut buffer = [0; 1500];
        let offer = self.exchange(&socket, &discover, MessageType::Offer, &mut buffer).await?;
        tell(Exchanged::Received(&offer));
        let server = offer.server_identifier();
        let server = server.ok_or(ClientError::Incomplete(MessageType::Offer, "its server identifier"))?;
        // RFC 2131 section 4.3.2, generated during SELECTING: server identifier and requested address, no ciaddr.
        let request = self
            .message(MessageType::Request)
            .with(code::SERVER_IDENTIFIER, server.octets())
            .with(code::REQUESTED_IP_ADDRESS, offer.yiaddr.octets());
        tell(Exchanged::Sent(&request));
        let mut buffer = [0; 1500];
        let ack = self.exchange(&socket, &request, MessageType::Ack, &mut buffer).await?;
        let acknowledged_at = Instant::now();
        tell(Exchanged::Received(&ack));
        if ack.message_type == MessageType::Nak {
            let words = ack.options.get(code::MESSAGE).map(|words| format!(": {}", String::from_utf8_lossy(words)));
            return Err(ClientError::Refused(words.unwrap_or_default()));
        }
        let lease_secs = ack.lease_secs().ok_or(ClientError::Incomplete(MessageType::Ack, "its lease time"))?;
        Ok(Leased { address: ack.yiaddr, lease_secs, server_identifier: server, acknowledged_at })
    }

    fn message(&self, message_type: MessageType) -> ClientMessage {
        let mut fqdn = vec![FQDN_FLAGS, 0, 0];
        fqdn.extend_from_slice(self.name.as_wire());
        ClientMessage::new(message_type, self.xid, self.hardware).with(code::CLIENT_FQDN, fqdn).with(
            code::PARAMETER_REQUEST_LIST,
            [code::SUBNET_MASK, code::ROUTER, code::DOMAIN_NAME_SERVER, code::DOMAIN_NAME, code::CLIENT_FQDN],
        )
    }

    /// Sends until the answer comes: `wanted`, or the NAK that stands for it.
    async fn exchange<'b>(
        &self,
        socket: &UdpSocket,
        message: &ClientMessage,
        wanted: MessageType,
        buffer: &'b mut [u8; 1500],
    ) -> Result<ServerMessage<'b>, ClientError> {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        let mut received = None;
        for attempt in 0..TRIES {
            socket.send(&bytes).await?;
            let answer = self.wait_for(socket, wanted, buffer);
            if let Ok(len) = timeout(FIRST_WAIT * 2_u32.pow(attempt), answer).await {
                received = Some(len?);
                break;
            }
        }
        let answer = received.and_then(|len| ServerMessage::parse(&buffer[..len]).ok());
        answer.ok_or(ClientError::Silence(wanted))
    }

    /// The length of the answer in `buffer`. What is not for us is left aside.
    async fn wait_for(&self, socket: &UdpSocket, wanted: MessageType, buffer: &mut [u8; 1500]) -> io::Result<usize> {
        loop {
            let len = socket.recv(buffer).await?;
            let Ok(message) = ServerMessage::parse(&buffer[..len]) else { continue };
            let is_answer = message.message_type == wanted
                || (wanted == MessageType::Ack && message.message_type == MessageType::Nak);
            if is_answer && message.xid == self.xid && message.hardware == self.hardware {
                return Ok(len);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panic")]
mod tests {
    use dhcp::destination::{Destination, destination};
    use dhcp::message::Message;
    use dhcp::reply::Reply;

    use super::*;
    use crate::demo::relay::{Agent, Relay};

    const SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;
    const YIADDR: Ipv4Addr = Ipv4Addr::new(192, 168, 30, 100);

    /// Answers each message as a server would, but for the first `lost` ones.
    async fn serve(socket: UdpSocket, mut lost: u32, answer_to_request: MessageType) {
        let mut buffer = [0; 1500];
        loop {
            let (len, source) = socket.recv_from(&mut buffer).await.unwrap();
            if lost > 0 {
                lost -= 1;
                continue;
            }
            let request = Message::parse(&buffer[..len]).unwrap();
            let answer = match request.message_type {
                MessageType::Discover => MessageType::Offer,
                MessageType::Request => answer_to_request,
                other => panic!("{other:?}"),
            };
            let mut reply = Reply::answering(&request, answer, SERVER);
            reply.yiaddr = YIADDR;
            reply.options.push(code::IP_ADDRESS_LEASE_TIME, &3600_u32.to_be_bytes());
            let Destination::Relay { address, port } = destination(&request, &reply, source.port(), false) else {
                panic!("not to the relay")
            };
            let mut bytes = Vec::new();
            reply.encode(&mut bytes);
            socket.send_to(&bytes, (address, port)).await.unwrap();
        }
    }

    async fn take_lease(lost: u32, answer_to_request: MessageType) -> (Result<Leased, ClientError>, Vec<MessageType>) {
        let socket = UdpSocket::bind((SERVER, 0)).await.unwrap();
        let std::net::SocketAddr::V4(server) = socket.local_addr().unwrap() else { panic!("IPv4") };
        tokio::spawn(serve(socket, lost, answer_to_request));
        let agent = Agent { address: Ipv4Addr::LOCALHOST, link: Ipv4Addr::new(192, 168, 30, 1) };
        let relay = Relay::start(agent, server).await.unwrap();
        let client = Client {
            hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, 1]).unwrap(),
            name: "client1.nasir.xyz".parse().unwrap(),
            relay: relay.clients_at(),
            xid: 4711,
        };
        let mut told = Vec::new();
        let leased = client
            .take_lease(&mut |message| {
                told.push(match message {
                    Exchanged::Sent(message) => message.message_type,
                    Exchanged::Received(message) => message.message_type,
                });
            })
            .await;
        (leased, told)
    }

    const FOUR: [MessageType; 4] = [MessageType::Discover, MessageType::Offer, MessageType::Request, MessageType::Ack];

    #[tokio::test]
    async fn a_lease_is_taken_in_four_messages_by_way_of_a_relay() {
        let (leased, told) = take_lease(0, MessageType::Ack).await;
        let leased = leased.unwrap();
        assert_eq!((leased.address, leased.lease_secs, leased.server_identifier), (YIADDR, 3600, SERVER));
        assert_eq!(told, FOUR);
    }

    #[tokio::test]
    async fn a_lost_message_is_sent_again_and_told_once() {
        let (leased, told) = take_lease(1, MessageType::Ack).await;
        assert_eq!(leased.unwrap().address, YIADDR);
        assert_eq!(told, FOUR);
    }

    #[tokio::test]
    async fn a_refusal_is_told_as_such() {
        let (leased, told) = take_lease(0, MessageType::Nak).await;
        assert!(matches!(leased, Err(ClientError::Refused(_))), "{leased:?}");
        assert_eq!(told.last(), Some(&MessageType::Nak));
    }
}
