//! What commands ask of another machine's daemon (`--server`): one route for each role, so that the role is the route's.

#![allow(unused_qualifications, reason = "what utoipa makes of `params` names types by their paths")]

use axum::Json;
use axum::extract::{Extension, State};
use serde_json::Value;

use crate::access::{Caller, Role};
use crate::api::Shared;
use crate::ask::{Ask, Refusal};
use crate::body::Sent;
use crate::model::Problem;

async fn obey(shared: Shared, caller: Caller, role: Role, request: Value) -> Result<Json<Value>, Refusal> {
    let actor = caller.known()?;
    shared.handle.ask(|to| Ask::Command(request, role, actor, to)).await.map(Json)
}

/// What a command asks that changes nothing
///
/// For `leasehold ... --server URL` of the same version: requests and answers may be others in the next one.
#[utoipa::path(post, path = "/api/v1/commands/view", tag = "commands", request_body = Value,
    responses((status = 200, body = Value), (status = 400, body = Problem)))]
pub(crate) async fn view(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Sent(request): Sent<Value>,
) -> Result<Json<Value>, Refusal> {
    obey(shared, caller, Role::View, request).await
}

/// What a command asks that changes what comes and goes
///
/// For `leasehold ... --server URL` of the same version: requests and answers may be others in the next one.
#[utoipa::path(post, path = "/api/v1/commands/operate", tag = "commands", request_body = Value,
    responses((status = 200, body = Value), (status = 400, body = Problem)))]
pub(crate) async fn operate(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Sent(request): Sent<Value>,
) -> Result<Json<Value>, Refusal> {
    obey(shared, caller, Role::Operate, request).await
}

/// What a command asks that changes the server itself
///
/// For `leasehold ... --server URL` of the same version: requests and answers may be others in the next one.
#[utoipa::path(post, path = "/api/v1/commands/administer", tag = "commands", request_body = Value,
    responses((status = 200, body = Value), (status = 400, body = Problem)))]
pub(crate) async fn administer(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Sent(request): Sent<Value>,
) -> Result<Json<Value>, Refusal> {
    obey(shared, caller, Role::Administer, request).await
}
