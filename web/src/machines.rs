//! Routes of machines with one name for all their addresses.

#![allow(unused_qualifications, reason = "what utoipa makes of `params` names types by their paths")]

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::access::Caller;
use crate::api::{Asked, Shared, bounded};
use crate::ask::{Ask, Refusal};
use crate::body::Sent;
use crate::changes::{Made, made};
use crate::conditions::Conditions;
use crate::model::{DryRun, Edited, MachineWrite, Machines, Problem};

/// Every machine
///
/// The `ETag` is that of the file of reservations, records and machines that are made by commands, this API and the page.
#[utoipa::path(get, path = "/api/v1/machines", tag = "machines",
    responses((status = 200, body = Machines), (status = 304, description = "It is as `If-None-Match` says")))]
pub(crate) async fn machines(State(shared): State<Shared>, conditions: Conditions) -> Result<Response, Refusal> {
    let (tag, list) = shared.handle.ask(Ask::Machines).await?;
    Ok(conditions.told(&tag, list))
}

/// Put a machine
///
/// In the place of the one of this name and domain; the same again changes nothing. With `If-Match` only while nobody else has
/// changed that file.
#[utoipa::path(put, path = "/api/v1/machines/{name}", tag = "machines",
    params(("name" = String, Path, description = "Its name: one label, or a full name"), DryRun),
    request_body = MachineWrite, responses((status = 200, body = Edited)))]
pub(crate) async fn put_machine(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Asked(DryRun { dry_run }): Asked<DryRun>,
    conditions: Conditions,
    Sent(written): Sent<MachineWrite>,
) -> Made {
    let actor = caller.known()?;
    bounded(&name)?;
    let change = shared.handle.ask(|to| Ask::PutMachine { name, written, dry_run, conditions, actor, to }).await?;
    made(change, dry_run)
}

/// Take a machine out
///
/// One that was made by a command, this API or the page; what the main file says is changed there. Where several have this
/// label, their full names tell them apart.
#[utoipa::path(delete, path = "/api/v1/machines/{name}", tag = "machines",
    params(("name" = String, Path, description = "Its name"), DryRun),
    responses((status = 200, body = Edited), (status = 404, body = Problem)))]
pub(crate) async fn delete_machine(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Asked(DryRun { dry_run }): Asked<DryRun>,
    conditions: Conditions,
) -> Made {
    let actor = caller.known()?;
    bounded(&name)?;
    let change = shared.handle.ask(|to| Ask::DeleteMachine { name, dry_run, conditions, actor, to }).await?;
    made(change, dry_run)
}
