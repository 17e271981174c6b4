//! Routes of devices that nobody knew.

#![allow(unused_qualifications, reason = "what utoipa makes of `params` names types by their paths")]

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use crate::access::Caller;
use crate::api::{Shared, bounded};
use crate::ask::{Ask, Refusal};
use crate::body::Sent;
use crate::conditions::Conditions;
use crate::model::{Device, DeviceDecision, Problem};

/// Devices that nobody knew: who waits for approval, and what was decided
#[utoipa::path(get, path = "/api/v1/devices", tag = "leases", responses((status = 200, body = Vec<Device>)))]
pub(crate) async fn devices(State(shared): State<Shared>) -> Result<Json<Vec<Device>>, Refusal> {
    shared.handle.ask(Ask::Devices).await.map(Json)
}

/// One of them
///
/// The `ETag` is that of what is decided of it, and not of when it was heard.
#[utoipa::path(get, path = "/api/v1/devices/{hardware}", tag = "leases",
    params(("hardware" = String, Path, description = "Its hardware address")),
    responses((status = 200, body = Device), (status = 404, body = Problem)))]
pub(crate) async fn device(State(shared): State<Shared>, Path(hardware): Path<String>) -> Result<Response, Refusal> {
    bounded(&hardware)?;
    let (tag, device) = shared.handle.ask(|to| Ask::Device(hardware, to)).await?;
    Ok(Conditions::tagged(&tag, device))
}

/// Approve of a device that waits, deny it, or forget what was decided
///
/// With `If-Match` only while nobody else has decided about it since. The answer's `ETag` is what this has led to.
#[utoipa::path(put, path = "/api/v1/devices/{hardware}", tag = "leases", request_body = DeviceDecision,
    params(("hardware" = String, Path, description = "Its hardware address")),
    responses((status = 200, body = String), (status = 400, body = Problem)))]
pub(crate) async fn decide_device(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(hardware): Path<String>,
    conditions: Conditions,
    Sent(decision): Sent<DeviceDecision>,
) -> Result<Response, Refusal> {
    bounded(&hardware)?;
    bounded(&decision.verdict)?;
    let actor = caller.known()?;
    let decided = shared.handle.ask(|to| Ask::DecideDevice { hardware, decision, conditions, actor, to });
    let (tag, words) = decided.await?;
    let mut response = Json(words).into_response();
    HeaderValue::from_str(&tag.to_string()).ok().map(|tag| response.headers_mut().insert(header::ETAG, tag));
    Ok(response)
}
