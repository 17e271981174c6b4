//! Routes that change something: reservations, static records, leases, the configuration.

#![allow(unused_qualifications, reason = "what utoipa makes of `params` names types by their paths")]

use std::net::Ipv4Addr;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use crate::access::Caller;
use crate::api::{Asked, Shared, bounded};
use crate::ask::{Ask, Refusal};
use crate::body::Sent;
use crate::conditions::Conditions;
use crate::model::{
    ChangeOfView, ConfigurationFile, ConfigurationText, DnsRetry, DryRun, Edited, FileWord, LeaseRelease, LeaseRow,
    OfView, Problem, RecordsKey, RecordsSet, RecordsWrite, ReservationDelete, ReservationWrite, Reservations,
    ReservationsQuery, Retried,
};

/// The longest configuration that is checked here, in bytes.
const CONFIGURATION_MAX: usize = 4 << 20;

pub(crate) type Made = Result<Response, Refusal>;

/// A change that was only to be told is told, also what keeps it from being made; one that was to be made and could not
/// is a problem.
pub(crate) fn made(change: Edited, dry_run: bool) -> Made {
    match change.hindrance().filter(|_| !dry_run) {
        Some(words) => Err(Refusal::Unfit(words)),
        None => Ok(versioned(change)),
    }
}

/// With the version that it has led to, so that whoever made it can take it back as long as nobody else has changed anything.
fn versioned(change: Edited) -> Response {
    let tag = change.etag.as_ref().and_then(|tag| HeaderValue::from_str(&tag.to_string()).ok());
    let mut response = Json(change).into_response();
    tag.map(|tag| response.headers_mut().insert(header::ETAG, tag));
    response
}

/// Every reservation
///
/// The `ETag` is that of the file of reservations and records that are made by commands, this API and the page.
#[utoipa::path(get, path = "/api/v1/reservations", tag = "reservations", params(ReservationsQuery),
    responses((status = 200, body = Reservations), (status = 304, description = "It is as `If-None-Match` says")))]
pub(crate) async fn reservations(
    State(shared): State<Shared>,
    Asked(query): Asked<ReservationsQuery>,
    conditions: Conditions,
) -> Result<Response, Refusal> {
    query.client.iter().try_for_each(|client| bounded(client))?;
    let (tag, list) = shared.handle.ask(|to| Ask::Reservations(query, to)).await?;
    Ok(conditions.told(&tag, list))
}

/// Reserve
///
/// In the place of what this client has reserved in the subnet; the same again changes nothing. With `If-Match` only while
/// nobody else has changed reservations or records. The answer's `ETag` is their version as it is since.
#[utoipa::path(put, path = "/api/v1/reservations/{key}", tag = "reservations",
    params(("key" = String, Path, description = "Whom for: a hardware address, `hex:` or `text:` and a client identifier, \
        `duid:hex:` and a DUID"), DryRun),
    request_body = ReservationWrite, responses((status = 200, body = Edited)))]
pub(crate) async fn put_reservation(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
    Asked(DryRun { dry_run }): Asked<DryRun>,
    conditions: Conditions,
    Sent(written): Sent<ReservationWrite>,
) -> Made {
    let actor = caller.known()?;
    bounded(&key)?;
    let change = shared.handle.ask(|to| Ask::Reserve { key, written, dry_run, conditions, actor, to }).await?;
    made(change, dry_run)
}

/// Take a reservation out
///
/// One that was made by a command, this API or the page; what the main file says is changed there.
#[utoipa::path(delete, path = "/api/v1/reservations/{key}", tag = "reservations",
    params(("key" = String, Path, description = "Whose"), ReservationDelete),
    responses((status = 200, body = Edited), (status = 404, body = Problem)))]
pub(crate) async fn delete_reservation(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(key): Path<String>,
    Asked(ReservationDelete { subnet, dry_run }): Asked<ReservationDelete>,
    conditions: Conditions,
) -> Made {
    let actor = caller.known()?;
    bounded(&key)?;
    let change = shared.handle.ask(|to| Ask::Unreserve { key, subnet, dry_run, conditions, actor, to }).await?;
    made(change, dry_run)
}

/// Static records of one name and type
///
/// Those that were made by a command, this API or the page. The `ETag` is theirs.
#[utoipa::path(get, path = "/api/v1/zones/{apex}/records/{name}/{rtype}", tag = "names",
    params(("apex" = String, Path, description = "The zone's name"),
        ("name" = String, Path, description = "The owner, relative to the zone; `@` for the zone itself"),
        ("rtype" = String, Path, description = "The type"), OfView),
    responses((status = 200, body = RecordsSet), (status = 304, description = "It is as `If-None-Match` says"),
        (status = 404, body = Problem)))]
pub(crate) async fn static_records(
    State(shared): State<Shared>,
    Path((zone, name, rtype)): Path<(String, String, String)>,
    Asked(OfView { view }): Asked<OfView>,
    conditions: Conditions,
) -> Result<Response, Refusal> {
    [&zone, &name, &rtype].into_iter().chain(&view).try_for_each(|text| bounded(text))?;
    let key = RecordsKey { zone, view, name, rtype };
    let (tag, set) = shared.handle.ask(|to| Ask::StaticRecords(key, to)).await?;
    Ok(conditions.told(&tag, set))
}

/// Put static records
///
/// In the place of those that were made so of this name and type; the same again changes nothing. With `If-Match` only while
/// nobody else has changed them, with `If-None-Match: *` only where there are none.
#[utoipa::path(put, path = "/api/v1/zones/{apex}/records/{name}/{rtype}", tag = "names",
    params(("apex" = String, Path, description = "The zone's name"),
        ("name" = String, Path, description = "The owner, relative to the zone; `@` for the zone itself"),
        ("rtype" = String, Path, description = "The type"), ChangeOfView),
    request_body = RecordsWrite, responses((status = 200, body = Edited)))]
pub(crate) async fn put_records(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((zone, name, rtype)): Path<(String, String, String)>,
    Asked(ChangeOfView { view, dry_run }): Asked<ChangeOfView>,
    conditions: Conditions,
    Sent(written): Sent<RecordsWrite>,
) -> Made {
    let actor = caller.known()?;
    [&zone, &name, &rtype].into_iter().chain(&view).try_for_each(|text| bounded(text))?;
    if written.data.is_empty() {
        return Err(Refusal::Unfit("`data` is empty: DELETE takes records out".to_owned()));
    }
    let key = RecordsKey { zone, view, name, rtype };
    let change = shared.handle.ask(|to| Ask::PutRecords { key, written, dry_run, conditions, actor, to }).await?;
    made(change, dry_run)
}

/// Take static records out
///
/// Those that were made by a command, this API or the page; what the main file says is changed there. With `If-Match` only
/// while nobody else has changed them.
#[utoipa::path(delete, path = "/api/v1/zones/{apex}/records/{name}/{rtype}", tag = "names",
    params(("apex" = String, Path, description = "The zone's name"),
        ("name" = String, Path, description = "The owner, relative to the zone; `@` for the zone itself"),
        ("rtype" = String, Path, description = "The type"), ChangeOfView),
    responses((status = 200, body = Edited), (status = 404, body = Problem)))]
pub(crate) async fn delete_records(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path((zone, name, rtype)): Path<(String, String, String)>,
    Asked(ChangeOfView { view, dry_run }): Asked<ChangeOfView>,
    conditions: Conditions,
) -> Made {
    let actor = caller.known()?;
    [&zone, &name, &rtype].into_iter().chain(&view).try_for_each(|text| bounded(text))?;
    let key = RecordsKey { zone, view, name, rtype };
    let change = shared.handle.ask(|to| Ask::DeleteRecords { key, dry_run, conditions, actor, to }).await?;
    made(change, dry_run)
}

/// The lease of an address
///
/// Also one that has ended, while its record is kept. The `ETag` is the `version` of the binding.
#[utoipa::path(get, path = "/api/v1/leases/{address}", tag = "leases",
    params(("address" = String, Path, description = "The address")),
    responses((status = 200, body = LeaseRow), (status = 404, body = Problem)))]
pub(crate) async fn lease(State(shared): State<Shared>, Path(address): Path<String>) -> Result<Response, Refusal> {
    let address = ipv4(&address)?;
    let (tag, lease) = shared.handle.ask(|to| Ask::Lease(address, to)).await?;
    Ok(Conditions::tagged(&tag, lease))
}

/// End a lease
///
/// As its client's RELEASE would: the address is free, and its DNS records go in the same transaction. Answers with the
/// lease that it was. With `If-Match` only while the binding is the one of that `version`, with `client` only while that client has
/// the address (412): both are looked at in the step that ends it.
#[utoipa::path(post, path = "/api/v1/leases/{address}/release", tag = "leases",
    params(("address" = String, Path, description = "The address"), LeaseRelease),
    responses((status = 200, body = LeaseRow), (status = 404, body = Problem)))]
pub(crate) async fn release(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    Asked(LeaseRelease { client }): Asked<LeaseRelease>,
    conditions: Conditions,
) -> Result<Json<LeaseRow>, Refusal> {
    let actor = caller.known()?;
    client.iter().try_for_each(|client| bounded(client))?;
    let address = ipv4(&address)?;
    shared.handle.ask(|to| Ask::Release { address, client, conditions, actor, to }).await.map(Json)
}

fn ipv4(address: &str) -> Result<Ipv4Addr, Refusal> {
    address.parse().map_err(|_| Refusal::Bad(format!("{address:?} is no IPv4 address")))
}

/// Try DNS work now
///
/// What waits for its next try does so at once, as if its pause were over; nothing is changed about what is wanted.
#[utoipa::path(post, path = "/api/v1/dns-work/retry", tag = "names", request_body = DnsRetry,
    responses((status = 200, body = Retried)))]
pub(crate) async fn retry(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Sent(retry): Sent<DnsRetry>,
) -> Result<Json<Retried>, Refusal> {
    let actor = caller.known()?;
    retry.of.iter().try_for_each(|of| bounded(of))?;
    shared.handle.ask(|to| Ask::RetryNames(retry, actor, to)).await.map(Json)
}

/// A file of the configuration as it is on the disk
///
/// `main`, or `local`: the one beside it that commands, this API and the page write; empty where there is none. In the place
/// of each secret, and of each hook's address, stand words such as `(left out: 3f9a2c1d)`.
#[utoipa::path(get, path = "/api/v1/configuration/files/{file}", tag = "configuration",
    params(("file" = String, Path, description = "`main` or `local`")),
    responses((status = 200, body = ConfigurationFile), (status = 304, description = "It is as `If-None-Match` says"),
        (status = 404, body = Problem)))]
pub(crate) async fn file(
    State(shared): State<Shared>,
    Path(file): Path<String>,
    conditions: Conditions,
) -> Result<Response, Refusal> {
    let which = file_word(&file)?;
    let (tag, told) = shared.handle.ask(|to| Ask::File(which, to)).await?;
    Ok(conditions.told(&tag, told))
}

/// Write a file of the configuration, and take it over
///
/// As a whole or not at all: it is checked together with the other one, and where something is wrong neither the file nor
/// what is in force changes. Where the words of a secret that was left out are sent back, the secret stands again. Needs
/// `If-Match` with the version that the file was told with. `dry_run` tells faults with line and column, what would change,
/// and what that does to leases.
#[utoipa::path(put, path = "/api/v1/configuration/files/{file}", tag = "configuration",
    params(("file" = String, Path, description = "`main` or `local`"), DryRun),
    request_body = ConfigurationText, responses((status = 200, body = Edited), (status = 404, body = Problem)))]
pub(crate) async fn put_file(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(file): Path<String>,
    Asked(DryRun { dry_run }): Asked<DryRun>,
    conditions: Conditions,
    Sent(written): Sent<ConfigurationText, CONFIGURATION_MAX>,
) -> Made {
    let actor = caller.known()?;
    let which = file_word(&file)?;
    if !conditions.names_a_version() {
        return Err(Refusal::Bad("send `If-Match` with the `ETag` that the file was told with".to_owned()));
    }
    let text = written.text;
    let change = shared.handle.ask(|to| Ask::PutFile { which, text, dry_run, conditions, actor, to }).await?;
    made(change, dry_run)
}

fn file_word(file: &str) -> Result<FileWord, Refusal> {
    match file {
        "main" => Ok(FileWord::Main),
        "local" => Ok(FileWord::Local),
        _ => Err(Refusal::NotFound(format!("there is no file {file:?}: it is `main` or `local`"))),
    }
}

/// Check a configuration
///
/// Tells what is wrong with a text as the main file, what it would change, and what that does to leases. Nothing is
/// changed.
#[utoipa::path(post, path = "/api/v1/configuration/check", tag = "configuration",
    request_body = ConfigurationText, responses((status = 200, body = Edited)))]
pub(crate) async fn check(
    State(shared): State<Shared>,
    Sent(written): Sent<ConfigurationText, CONFIGURATION_MAX>,
) -> Made {
    shared.handle.ask(|to| Ask::CheckConfiguration(written.text, to)).await.map(versioned)
}

/// Take the configuration's files over as they are on the disk now
///
/// As a whole or not at all, as `leasehold reload`.
#[utoipa::path(post, path = "/api/v1/configuration/apply", tag = "configuration",
    params(DryRun), responses((status = 200, body = Edited)))]
pub(crate) async fn apply(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Asked(DryRun { dry_run }): Asked<DryRun>,
) -> Made {
    let actor = caller.known()?;
    let change = shared.handle.ask(|to| Ask::Apply { dry_run, actor, to }).await?;
    made(change, dry_run)
}
