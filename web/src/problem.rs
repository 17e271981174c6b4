//! What cannot be answered, in one form (RFC 9457).

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::ask::Refusal;
use crate::model::Problem;

/// The form's own media type (RFC 9457 section 3).
pub(crate) const KIND: &str = "application/problem+json";

pub(crate) fn problem(status: StatusCode, detail: impl Into<String>) -> Response {
    let title = status.canonical_reason().unwrap_or("Problem").to_owned();
    let told = Problem { kind: "about:blank".to_owned(), title, status: status.as_u16(), detail: detail.into() };
    let mut response = (status, Json(told)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(KIND));
    response
}

/// One that is over after a while.
fn later(status: StatusCode, detail: impl Into<String>, wait: Duration) -> Response {
    let mut response = problem(status, detail);
    let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs.max(1)));
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound(words) => problem(StatusCode::NOT_FOUND, words),
            Self::Bad(words) => problem(StatusCode::BAD_REQUEST, words),
            Self::Unknown(words) => {
                let mut response = problem(StatusCode::UNAUTHORIZED, words);
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            Self::Forbidden(words) => problem(StatusCode::FORBIDDEN, words),
            Self::Conflict(words) => problem(StatusCode::CONFLICT, words),
            Self::Changed(words) => problem(StatusCode::PRECONDITION_FAILED, words),
            Self::Unfit(words) => problem(StatusCode::UNPROCESSABLE_ENTITY, words),
            Self::Wait(wait) => {
                let words = "too many wrong attempts; wait a little before the next one";
                later(StatusCode::TOO_MANY_REQUESTS, words, wait)
            }
            Self::Busy => {
                let words = "so many questions wait already; ask again shortly";
                later(StatusCode::SERVICE_UNAVAILABLE, words, Duration::from_secs(1))
            }
            Self::Ending => problem(StatusCode::SERVICE_UNAVAILABLE, "the daemon is ending"),
        }
    }
}
