//! The routes of the API, version 1, and the page's.

#![allow(unused_qualifications, reason = "what utoipa makes of `params` names types by their paths")]

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Extension, FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi as _};
use utoipa_axum::routes;

use crate::access::{Access, Caller, Need};
use crate::ask::{Ask, Handle, Refusal};
use crate::body::SMALL;
use crate::explanation::Explanation;
use crate::guard::Guard;
use crate::model::{
    Changes, ChangesQuery, Configuration, DnsWork, DnsWorkQuery, Event, Events, FATES, ForwarderFigures, History, Host,
    Hosts, HostsQuery, LeaseQuery, Leases, Past, PastHolder, PastQuery, Problem, Queries, QueriesQuery, Range, Records,
    RecordsQuery, SORTS, STATES, Status, SubnetDetail, SubnetMap, Subnets, WINDOW, Zones,
};
use crate::problem::problem;
use crate::routes::{BY_COOKIE, BY_TOKEN, Route, Routes};
use crate::{changes, commands, devices, files, guard, machines, metrics, query_feed, session};

/// Streams of events at once: they hold a connection each, and others must have some.
const STREAMS_MAX: usize = 32;
/// The longest text that can be asked for; names have 253 characters at most.
const ASKED_BYTES_MAX: usize = 512;

/// What every route knows.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) handle: Handle,
    pub(crate) access: Access,
    streams: Arc<Semaphore>,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Leasehold",
        version = "1",
        description = "What the daemon knows and does, over HTTP. Times are UTC seconds. What cannot be answered is a problem \
                       (RFC 9457). Scripts come with `Authorization: Bearer TOKEN`; browsers sign in, and their changes \
                       carry `x-csrf-token`. On the machine itself, and where there are no users, neither is needed.",
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(Event, Problem)),
    modifiers(&Ways)
)]
struct Described;

/// The ways to be known.
struct Ways;

impl Modify for Ways {
    fn modify(&self, description: &mut OpenApi) {
        let by_token = SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("A token of the configuration (`leasehold web token`)"))
                .build(),
        );
        let words = "A session; without TLS the cookie is `leasehold-PORT`. Changes carry `x-csrf-token` too.";
        let by_cookie =
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description("__Host-leasehold", words)));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme(BY_TOKEN, by_token);
        components.add_security_scheme(BY_COOKIE, by_cookie);
    }
}

/// The description of the API, as it is made from its handlers: JSON.
#[must_use]
pub fn openapi() -> String {
    text_of(&routed().done().1)
}

fn text_of(description: &OpenApi) -> String {
    // It is made of nothing that JSON cannot say. `utoipa` writes `u-int64` for what the registry of OpenAPI's formats has as
    // `uint64`.
    serde_json::to_string_pretty(description).unwrap_or_default().replace("\"u-int", "\"uint")
}

fn routed() -> Routes<Shared> {
    Routes::new(Described::openapi())
        .may(Need::Nobody, routes!(session::me))
        .may(Need::Nobody, routes!(session::sign_in))
        .may(Need::Nobody, routes!(session::sign_out))
        .may(Need::VIEW, routes!(status))
        .may(Need::VIEW, routes!(leases))
        .may(Need::VIEW, routes!(hosts))
        .may(Need::VIEW, routes!(host))
        .may(Need::VIEW, routes!(queries))
        .may(Need::VIEW, routes!(query_stream))
        .may(Need::VIEW, routes!(forwarder))
        .may(Need::VIEW, routes!(explain))
        .may(Need::VIEW, routes!(subnets))
        .may(Need::VIEW, routes!(subnet))
        .may(Need::VIEW, routes!(subnet_map))
        .may(Need::VIEW, routes!(zones))
        .may(Need::VIEW, routes!(records))
        .may(Need::VIEW, routes!(dns_work))
        .may(Need::VIEW, routes!(history))
        .may(Need::VIEW, routes!(past))
        .may(Need::VIEW, routes!(past_holder))
        .may(Need::OPERATE, routes!(changes))
        .may(Need::VIEW, routes!(devices::devices))
        .may(Need::VIEW, routes!(devices::device))
        .may(Need::OPERATE, routes!(devices::decide_device))
        .may(Need::VIEW, routes!(configuration))
        .may(Need::VIEW, routes!(changes::reservations))
        .may(Need::OPERATE, routes!(changes::put_reservation, changes::delete_reservation))
        .may(Need::VIEW, routes!(changes::static_records))
        .may(Need::OPERATE, routes!(changes::put_records, changes::delete_records))
        .may(Need::VIEW, routes!(machines::machines))
        .may(Need::OPERATE, routes!(machines::put_machine, machines::delete_machine))
        .may(Need::VIEW, routes!(changes::lease))
        .may(Need::OPERATE, routes!(changes::release))
        .may(Need::OPERATE, routes!(changes::retry))
        .may(Need::ADMINISTER, routes!(changes::file, changes::put_file))
        .may(Need::ADMINISTER, routes!(changes::check))
        .may(Need::ADMINISTER, routes!(changes::apply))
        .may(Need::VIEW, routes!(events))
        .may(Need::VIEW, routes!(event_stream))
        .may(Need::VIEW, routes!(commands::view))
        .may(Need::OPERATE, routes!(commands::operate))
        .may(Need::ADMINISTER, routes!(commands::administer))
        .may(Need::VIEW, routes!(prometheus))
        .may(Need::Nobody, routes!(health))
        .may(Need::Nobody, routes!(ready))
}

/// Every route of the API, and what it needs.
#[must_use]
pub fn routes() -> Vec<Route> {
    routed().done().2
}

/// Everything that is served.
pub fn router(handle: Handle, access: Access, hsts: bool) -> Router {
    let (api, description, _) = routed().done();
    let description: Arc<str> = text_of(&description).into();
    let described = move || {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        let answer = (kind, description.to_string()).into_response();
        async move { answer }
    };
    let guard = Guard { access: access.clone(), hsts };
    // What is here needs no role: it is the same in every copy of this program.
    api.route("/api/v1/openapi.json", get(described))
        .route("/assets/{version}/{*name}", get(files::asset))
        .route("/api/{*rest}", any(no_such_route))
        .fallback(get(files::page))
        .layer(DefaultBodyLimit::max(SMALL))
        .layer(middleware::from_fn_with_state(guard, guard::guard))
        .with_state(Shared { handle, access, streams: Arc::new(Semaphore::new(STREAMS_MAX)) })
}

async fn no_such_route() -> Response {
    problem(StatusCode::NOT_FOUND, "the API has no such route; /api/v1/openapi.json describes those that it has")
}

/// A query string whose faults are told as every problem is.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        let told = |rejection: QueryRejection| problem(StatusCode::BAD_REQUEST, rejection.body_text());
        read.map(|Query(asked)| Self(asked)).map_err(told)
    }
}

pub(crate) fn bounded(text: &str) -> Result<(), Refusal> {
    if text.len() > ASKED_BYTES_MAX {
        return Err(Refusal::Bad(format!("what is asked for is longer than {ASKED_BYTES_MAX} bytes")));
    }
    Ok(())
}

fn known(word: &str, words: &[&str], what: &str) -> Result<(), Refusal> {
    if word.is_empty() || words.contains(&word) {
        return Ok(());
    }
    Err(Refusal::Bad(format!("{what} {word:?} is none of {}", words.join(", "))))
}

fn limit(asked: Option<usize>) -> Result<usize, Refusal> {
    match asked {
        None => Ok(WINDOW),
        Some(limit) if (1..=WINDOW).contains(&limit) => Ok(limit),
        Some(_) => Err(Refusal::Bad(format!("`limit` is from 1 to {WINDOW}"))),
    }
}

type Told<T> = Result<Json<T>, Refusal>;

/// How everything is, and what needs somebody
#[utoipa::path(get, path = "/api/v1/status", tag = "overview", responses((status = 200, body = Status)))]
async fn status(State(shared): State<Shared>) -> Told<Status> {
    shared.handle.ask(Ask::Status).await.map(Json)
}

/// A window of the leases that are asked for
#[utoipa::path(get, path = "/api/v1/leases", tag = "leases", params(LeaseQuery),
    responses((status = 200, body = Leases), (status = 400, body = Problem)))]
async fn leases(State(shared): State<Shared>, Asked(mut query): Asked<LeaseQuery>) -> Told<Leases> {
    bounded(&query.q)?;
    known(&query.state, &STATES, "the state")?;
    known(query.sort.strip_prefix('-').unwrap_or(&query.sort), &SORTS, "the order")?;
    query.limit = Some(limit(query.limit)?);
    shared.handle.ask(|to| Ask::Leases(query, to)).await.map(Json)
}

/// A window of the hosts that have or had a lease
#[utoipa::path(get, path = "/api/v1/hosts", tag = "leases", params(HostsQuery),
    responses((status = 200, body = Hosts), (status = 400, body = Problem)))]
async fn hosts(State(shared): State<Shared>, Asked(mut query): Asked<HostsQuery>) -> Told<Hosts> {
    bounded(&query.q)?;
    query.limit = Some(limit(query.limit)?);
    shared.handle.ask(|to| Ask::Hosts(query, to)).await.map(Json)
}

/// What was asked about names of others, by whom, and what became of it
#[utoipa::path(get, path = "/api/v1/queries", tag = "names", params(QueriesQuery),
    responses((status = 200, body = Queries), (status = 400, body = Problem)))]
async fn queries(State(shared): State<Shared>, Asked(mut query): Asked<QueriesQuery>) -> Told<Queries> {
    bounded(&query.q)?;
    bounded(&query.hardware)?;
    known(&query.fate, &FATES, "the fate")?;
    query.limit = Some(limit(query.limit)?);
    shared.handle.ask(|to| Ask::Queries(query, to)).await.map(Json)
}

/// How those do who are asked for names of others, what is kept, and the block lists
///
/// Empty where names of others are not resolved.
#[utoipa::path(get, path = "/api/v1/forwarder", tag = "names", responses((status = 200, body = ForwarderFigures)))]
async fn forwarder(State(shared): State<Shared>) -> Told<ForwarderFigures> {
    shared.handle.ask(Ask::Forwarder).await.map(Json)
}

/// What is asked about names of others, as it is
///
/// A stream of server-sent events. `queries` carries a list of questions, as `/api/v1/queries` tells them. It begins with
/// what is asked from then on; with `Last-Event-ID` it goes on where it was left.
#[utoipa::path(get, path = "/api/v1/queries/stream", tag = "names",
    params(("Last-Event-ID" = Option<String>, Header, description = "The identifier of the last message that was taken")),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 503, body = Problem)))]
async fn query_stream(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let slot = Arc::clone(&shared.streams).try_acquire_owned().map_err(|_| Refusal::Busy)?;
    let last = headers.get("last-event-id").and_then(|last| last.to_str().ok()?.parse().ok());
    let from = match last {
        Some(last) => last,
        // Asked now, so that a daemon that is busy is told of by the status.
        None => {
            let query = QueriesQuery { limit: Some(1), ..QueriesQuery::default() };
            shared.handle.ask(|to| Ask::Queries(query, to)).await?.next
        }
    };
    let stream = query_feed::stream(shared.handle.clone(), from);
    // As with events.
    let stream = futures_util::StreamExt::take_while(stream, move |_| {
        let _held = &slot;
        std::future::ready(shared.access.still_holds(&caller))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()).into_response())
}

/// All that is known of one host
#[utoipa::path(get, path = "/api/v1/hosts/{id}", tag = "leases",
    params(("id" = String, Path, description = "Its address, hardware address or name")),
    responses((status = 200, body = Host), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn host(State(shared): State<Shared>, Path(id): Path<String>) -> Told<Host> {
    bounded(&id)?;
    shared.handle.ask(|to| Ask::Host(id, to)).await.map(Json)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ExplainQuery {
    /// A name, an address or a hardware address.
    of: String,
}

/// Why a name is what it is, or is not there
#[utoipa::path(get, path = "/api/v1/explain", tag = "names", params(ExplainQuery),
    responses((status = 200, body = Explanation), (status = 400, body = Problem)))]
async fn explain(State(shared): State<Shared>, Asked(query): Asked<ExplainQuery>) -> Told<Explanation> {
    bounded(&query.of)?;
    shared.handle.ask(|to| Ask::Explain(query.of, to)).await.map(Json)
}

/// Every subnet and its use
#[utoipa::path(get, path = "/api/v1/subnets", tag = "subnets", responses((status = 200, body = Subnets)))]
async fn subnets(State(shared): State<Shared>) -> Told<Subnets> {
    shared.handle.ask(Ask::Subnets).await.map(Json)
}

/// One subnet: its pools and reservations
#[utoipa::path(get, path = "/api/v1/subnets/{network}/{length}", tag = "subnets",
    params(("network" = String, Path, description = "Such as 10.20.8.0"), ("length" = u8, Path, description = "Such as 24")),
    responses((status = 200, body = SubnetDetail), (status = 404, body = Problem)))]
async fn subnet(State(shared): State<Shared>, Path((network, length)): Path<(String, String)>) -> Told<SubnetDetail> {
    let prefix = prefix(&network, &length)?;
    shared.handle.ask(|to| Ask::Subnet(prefix, to)).await.map(Json)
}

fn prefix(network: &str, length: &str) -> Result<String, Refusal> {
    bounded(network)?;
    bounded(length)?;
    Ok(format!("{network}/{length}"))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct MapQuery {
    /// The address to begin with; else the subnet's first one.
    #[param(value_type = Option<String>)]
    from: Option<std::net::Ipv4Addr>,
}

/// How each address of a subnet stands
#[utoipa::path(get, path = "/api/v1/subnets/{network}/{length}/map", tag = "subnets",
    params(("network" = String, Path, description = "Such as 10.20.8.0"), ("length" = u8, Path, description = "Such as 24"),
        MapQuery),
    responses((status = 200, body = SubnetMap), (status = 404, body = Problem)))]
async fn subnet_map(
    State(shared): State<Shared>,
    Path((network, length)): Path<(String, String)>,
    Asked(query): Asked<MapQuery>,
) -> Told<SubnetMap> {
    let prefix = prefix(&network, &length)?;
    shared.handle.ask(|to| Ask::Map(prefix, query.from, to)).await.map(Json)
}

/// Every zone that names are kept in
#[utoipa::path(get, path = "/api/v1/zones", tag = "names", responses((status = 200, body = Zones)))]
async fn zones(State(shared): State<Shared>) -> Told<Zones> {
    shared.handle.ask(Ask::Zones).await.map(Json)
}

/// A window of the records of a zone
#[utoipa::path(get, path = "/api/v1/zones/{apex}/records", tag = "names",
    params(("apex" = String, Path, description = "The zone's name"), RecordsQuery),
    responses((status = 200, body = Records), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn records(
    State(shared): State<Shared>,
    Path(apex): Path<String>,
    Asked(mut query): Asked<RecordsQuery>,
) -> Told<Records> {
    bounded(&apex)?;
    bounded(&query.q)?;
    query.limit = Some(limit(query.limit)?);
    shared.handle.ask(|to| Ask::Records(apex, query, to)).await.map(Json)
}

/// What DNS does not hold as wanted yet, and why
#[utoipa::path(get, path = "/api/v1/dns-work", tag = "names", params(DnsWorkQuery),
    responses((status = 200, body = DnsWork), (status = 400, body = Problem)))]
async fn dns_work(State(shared): State<Shared>, Asked(mut query): Asked<DnsWorkQuery>) -> Told<DnsWork> {
    bounded(&query.q)?;
    known(&query.state, &["refused", "pending"], "the state")?;
    query.limit = Some(limit(query.limit)?);
    shared.handle.ask(|to| Ask::DnsWork(query, to)).await.map(Json)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// How far back.
    #[serde(default)]
    #[param(inline)]
    range: Range,
}

/// Figures over time
#[utoipa::path(get, path = "/api/v1/history", tag = "overview", params(HistoryQuery),
    responses((status = 200, body = History), (status = 400, body = Problem)))]
async fn history(State(shared): State<Shared>, Asked(query): Asked<HistoryQuery>) -> Told<History> {
    shared.handle.ask(|to| Ask::History(query.range, to)).await.map(Json)
}

/// What happened to leases, the newest first: who had which address when
#[utoipa::path(get, path = "/api/v1/lease-history", tag = "leases", params(PastQuery),
    responses((status = 200, body = Past), (status = 400, body = Problem)))]
async fn past(State(shared): State<Shared>, Asked(mut query): Asked<PastQuery>) -> Told<Past> {
    for text in [&query.of, &query.subnet, &query.kind, &query.after] {
        bounded(text)?;
    }
    query.limit = Some(limit(query.limit)?);
    shared.handle.ask(|to| Ask::Past(query, to)).await.map(Json)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HolderQuery {
    /// The moment, in UTC seconds.
    at: u64,
}

/// Who had an address at a moment
#[utoipa::path(get, path = "/api/v1/lease-history/{address}", tag = "leases",
    params(("address" = String, Path, description = "An IPv4 address"), HolderQuery),
    responses((status = 200, body = PastHolder), (status = 400, body = Problem), (status = 404, body = Problem)))]
async fn past_holder(
    State(shared): State<Shared>,
    Path(address): Path<String>,
    Asked(query): Asked<HolderQuery>,
) -> Told<PastHolder> {
    let address = address.parse().map_err(|_| Refusal::Bad(format!("{address:?} is no IPv4 address")))?;
    shared.handle.ask(|to| Ask::PastHolder(address, query.at, to)).await.map(Json)
}

/// The audit log: who changed what, the newest first
#[utoipa::path(get, path = "/api/v1/changes", tag = "operation", params(ChangesQuery),
    responses((status = 200, body = Changes), (status = 400, body = Problem)))]
async fn changes(State(shared): State<Shared>, Asked(mut query): Asked<ChangesQuery>) -> Told<Changes> {
    bounded(&query.q)?;
    query.limit = Some(limit(query.limit)?);
    shared.handle.ask(|to| Ask::Changes(query, to)).await.map(Json)
}

/// The configuration that runs, secrets left out
#[utoipa::path(get, path = "/api/v1/configuration", tag = "overview", responses((status = 200, body = Configuration)))]
async fn configuration(State(shared): State<Shared>) -> Told<Configuration> {
    shared.handle.ask(Ask::Configuration).await.map(Json)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// How many to tell, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// What happened lately
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(EventsQuery),
    responses((status = 200, body = Events), (status = 400, body = Problem)))]
async fn events(State(shared): State<Shared>, Asked(query): Asked<EventsQuery>) -> Told<Events> {
    let limit = limit(query.limit)?;
    Ok(Json(shared.handle.feed().events(limit)))
}

/// What happens, as it does
///
/// A stream of server-sent events. `events` carries a list of events; `gap` says that some were missed, so that everything
/// should be asked for anew. With `Last-Event-ID` it goes on where it was left.
#[utoipa::path(get, path = "/api/v1/events/stream", tag = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "The identifier of the last message that was taken")),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 503, body = Problem)))]
async fn event_stream(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let slot = Arc::clone(&shared.streams).try_acquire_owned().map_err(|_| Refusal::Busy)?;
    let last = headers.get("last-event-id").and_then(|last| last.to_str().ok());
    let stream = shared.handle.feed().stream(last);
    // Whoever signs out, or may not any more, is told nothing more. The place is given back when the stream ends.
    let stream = futures_util::StreamExt::take_while(stream, move |_| {
        let _held = &slot;
        std::future::ready(shared.access.still_holds(&caller))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()).into_response())
}

/// Metrics, as Prometheus reads them
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, content_type = "application/openmetrics-text", body = String)))]
async fn prometheus(State(shared): State<Shared>) -> Result<Response, Refusal> {
    let status = shared.handle.ask(Ask::Status).await?;
    let subnets = shared.handle.ask(Ask::Subnets).await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], metrics::text(&status, &subnets)).into_response())
}

/// The process lives and answers
#[utoipa::path(get, path = "/health", tag = "operation", responses((status = 200, body = String)))]
async fn health() -> &'static str {
    "ok\n"
}

/// Leases can be given: 503 while the daemon ends, or its store has no room
#[utoipa::path(get, path = "/ready", tag = "operation",
    responses((status = 200, body = String), (status = 503, body = Problem)))]
async fn ready(State(shared): State<Shared>) -> Result<Response, Refusal> {
    let status = shared.handle.ask(Ask::Status).await?;
    if status.storage.full {
        return Ok(problem(StatusCode::SERVICE_UNAVAILABLE, "the lease store has no room"));
    }
    Ok("ready\n".into_response())
}
