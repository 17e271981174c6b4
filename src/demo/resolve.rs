//! Asking the embedded DNS server, as any resolver would: over UDP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dns::wire::{name_from_hickory, name_to_hickory};
use dns::{Fqdn, NameError};
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{RData, RecordType};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

/// For how long an answer is awaited before the question is asked again.
const ANSWER_WAIT: Duration = Duration::from_millis(500);
/// Between two questions while there is no such record.
const ASK_AGAIN: Duration = Duration::from_millis(1);

/// A resolver that asks one server.
#[derive(Debug)]
pub struct Resolver {
    socket: UdpSocket,
    next_id: u16,
}

impl Resolver {
    /// For the DNS server at `server`.
    ///
    /// # Errors
    /// When no socket can be had.
    pub async fn new(server: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        Ok(Self { socket, next_id: 1 })
    }

    /// Asks for the addresses of `name` again and again, until one is `address` or the time is over. Returns
    /// whether it came.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn wait_for_address(&mut self, name: &Fqdn, address: Ipv4Addr, until: Instant) -> io::Result<bool> {
        let found = |data: &RData| matches!(data, RData::A(a) if a.0 == address);
        self.wait_for(&name_to_hickory(name), RecordType::A, &found, until).await
    }

    /// The same for the name of `address`.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn wait_for_name(&mut self, address: Ipv4Addr, name: &Fqdn, until: Instant) -> io::Result<bool> {
        let target =
            |found: &hickory_proto::rr::Name| -> Result<bool, NameError> { Ok(name_from_hickory(found)? == *name) };
        let found = |data: &RData| matches!(data, RData::PTR(ptr) if target(&ptr.0).unwrap_or(false));
        self.wait_for(&hickory_proto::rr::Name::from(address), RecordType::PTR, &found, until).await
    }

    async fn wait_for(
        &mut self,
        name: &hickory_proto::rr::Name,
        rtype: RecordType,
        found: &(dyn Fn(&RData) -> bool + Sync),
        until: Instant,
    ) -> io::Result<bool> {
        while Instant::now() < until {
            if let Some(answer) = self.ask(name, rtype).await?
                && answer.answers.iter().any(|record| found(&record.data))
            {
                return Ok(true);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Ok(false)
    }

    /// One question. `None` when no answer to it came in time.
    async fn ask(&mut self, name: &hickory_proto::rr::Name, rtype: RecordType) -> io::Result<Option<Message>> {
        self.next_id = self.next_id.wrapping_add(1);
        let id = self.next_id;
        let mut question = Message::new(id, MessageType::Query, OpCode::Query);
        question.add_query(Query::query(name.clone(), rtype));
        let bytes = question.to_vec().map_err(io::Error::other)?;
        let answer = async {
            let mut buffer = [0; 1500];
            loop {
                let len = self.socket.recv(&mut buffer).await?;
                match Message::from_vec(&buffer[..len]) {
                    Ok(answer) if answer.id == id && answer.message_type == MessageType::Response => {
                        return io::Result::Ok(answer);
                    }
                    _ => {}
                }
            }
        };
        // A refused connection is a server that does not listen yet.
        let asked = async {
            self.socket.send(&bytes).await?;
            answer.await
        };
        match timeout(ANSWER_WAIT, asked).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(None),
            Ok(answer) => answer.map(Some),
            Err(_) => Ok(None),
        }
    }
}
