//! Bodies of requests: so large, in so long, and JSON.

use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use crate::ask::Refusal;
use crate::problem::problem;

/// What describes one thing, such as a reservation.
pub(crate) const SMALL: usize = 64 * 1_024;
/// A body has to be there by then.
const BODY_WAIT: Duration = Duration::from_secs(20);

/// A body of JSON, `MAX` bytes at most.
pub(crate) struct Sent<T, const MAX: usize = SMALL>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync, const MAX: usize> FromRequest<S> for Sent<T, MAX> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        if !is_json(request.headers()) {
            return Err(problem(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send JSON, with `Content-Type: application/json`",
            ));
        }
        let body = read(request, MAX).await?;
        match serde_json::from_slice(&body) {
            Ok(read) => Ok(Self(read)),
            Err(error) if error.is_data() => {
                Err(Refusal::Unfit(format!("the body is not what it has to be: {error}")).into_response())
            }
            Err(error) => Err(Refusal::Bad(format!("the body is no JSON: {error}")).into_response()),
        }
    }
}

/// The bytes of a body.
pub(crate) async fn read(request: Request, max: usize) -> Result<Bytes, Response> {
    match tokio::time::timeout(BODY_WAIT, to_bytes(request.into_body(), max)).await {
        Ok(Ok(body)) => Ok(body),
        // What else can be wrong is a connection that has ended, and then nobody hears this.
        Ok(Err(_)) => Err(problem(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has {max} bytes at most here"))),
        Err(_) => Err(problem(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}
