//! DNS over HTTPS (RFC 8484): HTTP/2, and HTTP/1.1 for clients that know no newer. hyper speaks HTTP; what a request asks is
//! answered as if it came by any stream.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use dns::{Rcode, padding};
use hickory_proto::op::{Header, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, BinEncoder};
use hickory_server::net::NetError;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use resolve::{Answer, Transport};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::forward::Asker;
use super::handler::Live;
use super::tcp::{PROGRESS, Slot, WAITING_MAX, WAITING_OCTETS_MAX};

/// What is asked and answered (RFC 8484 section 6).
const MESSAGE: &str = "application/dns-message";
/// The longest head of a request, in octets: a question in base64 among it.
const HEAD_OCTETS_MAX: usize = 16 * 1_024;
/// How long a connection that is to end may take for its last words.
const CLOSING: Duration = Duration::from_secs(1);
/// So much of what comes with a request that is refused is read and dropped, in octets: some clients miss a refusal that
/// comes before they have said everything.
const DROPPED_OCTETS_MAX: usize = 256 << 10;
/// The longest message (RFC 8484 section 6: "a maximum of 65535 bytes").
const MESSAGE_OCTETS_MAX: usize = 65_535;

/// RFC 8484 section 4.1.1: "base64url ... padding characters ... MUST NOT be included"; who includes them is understood.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// One connection's requests.
struct Desk {
    source: SocketAddr,
    path: Arc<str>,
    live: Live,
    /// Requests that are answered now.
    busy: AtomicUsize,
    /// Requests that began or ended.
    turns: AtomicUsize,
    /// Octets of requests that are read or answered now.
    room: Arc<Semaphore>,
}

/// A request that is being answered.
struct Busy<'d>(&'d Desk);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.turns.fetch_add(1, Ordering::Relaxed);
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers what comes by one connection.
pub(super) async fn converse<S>(
    stream: S,
    source: SocketAddr,
    (path, is_http2): (Arc<str>, bool),
    live: Live,
    slot: Slot,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let desk = Arc::new(Desk {
        source,
        path,
        live,
        busy: AtomicUsize::new(0),
        turns: AtomicUsize::new(0),
        room: Arc::new(Semaphore::new(WAITING_OCTETS_MAX)),
    });
    let asked = Arc::clone(&desk);
    let service = service_fn(move |request| {
        let desk = Arc::clone(&asked);
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    let stream = TokioIo::new(stream);
    if is_http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_header_list_size(HEAD_OCTETS_MAX as u32);
        builder.max_concurrent_streams(WAITING_MAX as u32);
        let connection = builder.serve_connection(stream, service);
        attend(connection, |connection| connection.graceful_shutdown(), &desk, &slot).await
    } else {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(PROGRESS.max(slot.idle())).max_buf_size(HEAD_OCTETS_MAX);
        let connection = builder.serve_connection(stream, service);
        attend(connection, |connection| connection.graceful_shutdown(), &desk, &slot).await
    }
}

/// Lets a connection go on while it is used. `close` asks it to end when its requests are answered.
async fn attend<C>(connection: C, close: impl Fn(Pin<&mut C>), desk: &Desk, slot: &Slot) -> io::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut is_closing = false;
    loop {
        let before = desk.turns.load(Ordering::Relaxed);
        let silent_for = if is_closing { CLOSING } else { slot.idle() };
        tokio::select! {
            ended = connection.as_mut() => return ended.map_err(io::Error::other),
            () = tokio::time::sleep(silent_for) => {
                let is_idle = desk.busy.load(Ordering::Relaxed) == 0;
                if is_idle && is_closing {
                    // Also whoever does not take the answers.
                    return Err(io::ErrorKind::TimedOut.into());
                }
                if is_idle && desk.turns.load(Ordering::Relaxed) == before {
                    close(connection.as_mut());
                    is_closing = true;
                }
            }
        }
    }
}

impl Desk {
    async fn answer(&self, mut request: hyper::Request<Incoming>) -> Response<Full<Bytes>> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.turns.fetch_add(1, Ordering::Relaxed);
        let _busy = Busy(self);
        let answered = match self.read(&mut request).await {
            Ok((message, _room)) => {
                self.live.load().counts().requests(Transport::Https, 1);
                let is_padded = padding::is_asked(&message);
                let mut reply = self.reply(message).await;
                if let Some(reply) = reply.as_mut().filter(|_| is_padded) {
                    padding::pad(reply, padding::ANSWER_BLOCK);
                }
                reply.ok_or(StatusCode::BAD_REQUEST)
            }
            Err(status) => {
                let _ = timeout(PROGRESS, drop_body(request.body_mut())).await;
                Err(status)
            }
        };
        match answered {
            Ok(reply) => carried(reply),
            Err(status) => {
                self.live.load().counts().http_refused();
                refusal(status)
            }
        }
    }

    /// The DNS message of a request, and its room; or what is wrong with it.
    async fn read(
        &self,
        request: &mut hyper::Request<Incoming>,
    ) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), StatusCode> {
        if request.uri().path() != &*self.path {
            return Err(StatusCode::NOT_FOUND);
        }
        match *request.method() {
            Method::GET => {
                let fields = request.uri().query().unwrap_or_default().split('&');
                let value = fields.filter_map(|field| field.strip_prefix("dns=")).next();
                let value = value.ok_or(StatusCode::BAD_REQUEST)?;
                // Some escape what need not be escaped.
                let value = value.replace("%3D", "=").replace("%3d", "=");
                Ok((BASE64.decode(value).map_err(|_| StatusCode::BAD_REQUEST)?, None))
            }
            Method::POST => {
                let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
                if !kind.trim().eq_ignore_ascii_case(MESSAGE) {
                    return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
                }
                self.body(request).await
            }
            _ => Err(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    async fn body(
        &self,
        request: &mut hyper::Request<Incoming>,
    ) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), StatusCode> {
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > MESSAGE_OCTETS_MAX) {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        // At most 65,535, so that they are there in the end.
        let wanted = length.unwrap_or(MESSAGE_OCTETS_MAX) as u32;
        let room = Arc::clone(&self.room).acquire_many_owned(wanted).await;
        let room = room.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        match timeout(PROGRESS, Limited::new(request.body_mut(), MESSAGE_OCTETS_MAX).collect()).await {
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
            Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
            Ok(Ok(body)) => Ok((body.to_bytes().to_vec(), Some(room))),
        }
    }

    /// The answer to a message; none: it is not a request.
    async fn reply(&self, octets: Vec<u8>) -> Option<Vec<u8>> {
        let asker = Asker { source: self.source.ip(), transport: Transport::Https };
        let mut out = Vec::new();
        let handler = self.live.load_full();
        if handler.answer_stream(&octets, asker.source, &mut out) {
            return Some(out);
        }
        if let Some(reply) = handler.answer_forwarded(&octets, asker).await {
            return Some(reply);
        }
        let header = Header::read(&mut BinDecoder::new(&octets)).ok()?;
        if header.metadata.message_type == MessageType::Response {
            return None;
        }
        let refusal = |code| Message::error_msg(header.metadata.id, header.metadata.op_code, code).to_vec().ok();
        if !is_carried(header.metadata.op_code) {
            return refusal(ResponseCode::NotImp);
        }
        // Hickory makes room for as many questions as are promised, up to 65,535, before it reads them.
        let read = (header.counts.queries <= 1).then(|| Request::from_bytes(octets, self.source, Protocol::Tcp));
        let Some(Ok(request)) = read else { return refusal(ResponseCode::FormErr) };
        // A transfer is a series of messages, and here is one answer to one request.
        let is_transfer = |question: &hickory_proto::op::LowerQuery| {
            matches!(question.query_type(), RecordType::AXFR | RecordType::IXFR)
        };
        if request.queries.queries().iter().any(is_transfer) {
            return refusal(ResponseCode::NotImp);
        }
        let mut one = OneReply::default();
        handler.handle(&request, Transport::Https, &mut one).await;
        one.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A request of HTTP can be made by any page that a browser shows, and one by GET be made again or before it is wanted: what
/// changes something, as an update by the right of the sender's lease, does not come this way.
fn is_carried(opcode: OpCode) -> bool {
    opcode == OpCode::Query
}

async fn drop_body(body: &mut Incoming) {
    let mut octets = 0;
    while let Some(Ok(frame)) = body.frame().await {
        octets += frame.data_ref().map_or(0, Bytes::len);
        if octets > DROPPED_OCTETS_MAX {
            return;
        }
    }
}

/// A DNS message as a response. RFC 8484 section 5.1: how long it may be kept follows from the times to live in it.
fn carried(reply: Vec<u8>) -> Response<Full<Bytes>> {
    let kept = Answer::from_message(&reply).ok();
    let kept = kept.filter(|answer| matches!(answer.rcode(), Rcode::NO_ERROR | Rcode::NX_DOMAIN));
    let secs = kept.map_or(0, |answer| answer.ttl_secs);
    let mut response = Response::new(Full::new(Bytes::from(reply)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MESSAGE));
    if let Ok(value) = HeaderValue::from_str(&format!("max-age={secs}")) {
        headers.insert(header::CACHE_CONTROL, value);
    }
    response
}

fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    }
    response
}

/// Keeps the one message of an answer.
#[derive(Clone, Default)]
struct OneReply(Arc<Mutex<Option<Vec<u8>>>>);

#[async_trait::async_trait]
impl ResponseHandler for OneReply {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut octets = Vec::with_capacity(512);
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(u16::MAX);
        let info = response.destructive_emit(&mut encoder)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(octets);
        Ok(info)
    }
}
