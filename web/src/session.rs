//! Signing in and out, and who one is.

#![allow(unused_qualifications, reason = "what utoipa makes of `params` names types by their paths")]

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::access::{Actor, Caller, LASTS, SignInFault, Way, cookie_name};
use crate::api::Shared;
use crate::ask::Refusal;
use crate::body::Sent;
use crate::model::{Me, Problem, SignIn};

fn told(shared: &Shared, caller: &Caller) -> Me {
    let (known_by, csrf) = match &caller.way {
        Way::Nobody => ("nobody", None),
        Way::Local => ("local", None),
        Way::Session { csrf, .. } => ("session", Some(csrf.clone())),
        Way::Token { .. } => ("token", None),
    };
    let name = match &caller.actor {
        Some(Actor::User { name, .. } | Actor::Token { name, .. }) => Some(name.clone()),
        _ => None,
    };
    let can_sign_in = !shared.access.accounts().users.is_empty();
    Me { known_by, actor: caller.actor.clone(), name, role: caller.role, can_sign_in, csrf }
}

/// Who asks, and what they may do
#[utoipa::path(get, path = "/api/v1/me", tag = "access", responses((status = 200, body = Me), (status = 401, body = Problem)))]
pub(crate) async fn me(State(shared): State<Shared>, Extension(caller): Extension<Caller>) -> Json<Me> {
    Json(told(&shared, &caller))
}

/// Sign in
///
/// The answer sets the session's cookie. A session ends after twelve hours in which nobody uses it, after a week, when its
/// user signs out or gets another password, and with the daemon.
#[utoipa::path(post, path = "/api/v1/session", tag = "access", request_body = SignIn,
    responses((status = 200, body = Me), (status = 401, body = Problem)))]
pub(crate) async fn sign_in(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Sent(sent): Sent<SignIn>,
) -> Result<Response, Refusal> {
    let opened = shared.access.sign_in(sent.name, sent.password, &caller.peer).await.map_err(|fault| match fault {
        SignInFault::Wrong => Refusal::Unknown("name and password do not belong together".to_owned()),
        SignInFault::Wait(wait) => Refusal::Wait(wait),
        SignInFault::Busy => Refusal::Busy,
    })?;
    let address = caller.peer.remote.ip().to_canonical();
    let me = Me {
        known_by: "session",
        actor: Some(Actor::User { name: opened.user.name.clone(), address }),
        name: Some(opened.user.name),
        role: Some(opened.user.role),
        can_sign_in: true,
        csrf: Some(opened.csrf),
    };
    let cookie = cookie(&caller, &opened.text, LASTS.as_secs());
    Ok(([(header::SET_COOKIE, cookie)], Json(me)).into_response())
}

/// Sign out
#[utoipa::path(delete, path = "/api/v1/session", tag = "access", responses((status = 204, description = "Nobody is signed in by this cookie any more")))]
pub(crate) async fn sign_out(State(shared): State<Shared>, Extension(caller): Extension<Caller>) -> Response {
    shared.access.sign_out(&caller);
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie(&caller, "", 0))]).into_response()
}

/// For this host alone, not for scripts, never with a request that another site makes.
fn cookie(caller: &Caller, text: &str, secs: u64) -> HeaderValue {
    let secure = if caller.peer.tls { "; Secure" } else { "" };
    let name = cookie_name(&caller.peer);
    let cookie = format!("{name}={text}; Path=/; Max-Age={secs}; HttpOnly; SameSite=Strict{secure}");
    // Letters and digits all of it.
    HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
}
