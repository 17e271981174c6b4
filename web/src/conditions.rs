//! Two writers at once: what a change was made upon is named by an entity tag (RFC 9110 section 8.8.3), and one that was
//! made upon something older is refused.

use std::fmt;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::access::text_of;
use crate::ask::Refusal;

/// The version of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The version of what is told so: the same for the same content, over restarts as well.
    #[must_use]
    pub fn of(content: &impl Serialize) -> Self {
        // What cannot be written as JSON is told as an error before anybody sees its tag.
        let text = serde_json::to_vec(content).unwrap_or_default();
        Self::of_bytes(&text)
    }

    /// The version of these bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(text_of(&Sha256::digest(bytes)[..12]))
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    /// Those that are not weak, and those that are.
    These {
        strong: Vec<String>,
        weak: Vec<String>,
    },
}

/// What has to hold of something for a request about it to be done: `If-Match` and `If-None-Match`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

impl Conditions {
    /// Whether a change may be made to what is in this version now; `None`: it is not there. To be asked in the same breath
    /// as the change is made.
    ///
    /// # Errors
    /// [`Refusal::Changed`].
    pub fn check(&self, current: Option<&ETag>) -> Result<(), Refusal> {
        let expected = match &self.if_match {
            None => true,
            Some(Tags::Any) => current.is_some(),
            // RFC 9110 section 13.1.1: compared strongly, so that a weak one never fits.
            Some(Tags::These { strong, .. }) => current.is_some_and(|current| strong.contains(&current.0)),
        };
        if !expected {
            return Err(Refusal::Changed(match current {
                Some(current) => {
                    format!("somebody else has changed it meanwhile: it is {current} now; look at it again")
                }
                None => "it is not there any more".to_owned(),
            }));
        }
        if current.is_some_and(|current| self.is_none_match(current)) {
            return Err(Refusal::Changed("it is there already, and was to be made anew".to_owned()));
        }
        Ok(())
    }

    /// Whether a version is told that what is to be changed has to have.
    #[must_use]
    pub fn names_a_version(&self) -> bool {
        matches!(&self.if_match, Some(Tags::These { strong, .. }) if !strong.is_empty())
    }

    /// Whether whoever asks says to have this version.
    fn is_none_match(&self, current: &ETag) -> bool {
        match &self.if_none_match {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::These { strong, weak }) => strong.contains(&current.0) || weak.contains(&current.0),
        }
    }

    /// Tells something with its version; to whoever has that version already, only so (304).
    pub fn told<T: Serialize>(&self, tag: &ETag, content: T) -> Response {
        let value = HeaderValue::from_str(&tag.to_string()).unwrap_or(HeaderValue::from_static("\"\""));
        let mut response = match self.is_none_match(tag) {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => Json(content).into_response(),
        };
        response.headers_mut().insert(header::ETAG, value);
        // Kept by whoever asked, and asked for anew each time.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }

    /// Tells something with the version of that part of it which changes are made upon. The rest changes while that is the same,
    /// so that nobody may keep the answer, and "it is as you have it" is never said (RFC 9110 section 8.8.1).
    pub fn tagged<T: Serialize>(tag: &ETag, content: T) -> Response {
        let mut response = Self::default().told(tag, content);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        Ok(Self { if_match: tags(headers, header::IF_MATCH)?, if_none_match: tags(headers, header::IF_NONE_MATCH)? })
    }
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags>, Refusal> {
    let bad = || Refusal::Bad(format!("{name} is no list of entity tags such as \"abc\""));
    let (mut strong, mut weak, mut any) = (Vec::new(), Vec::new(), false);
    let mut seen = false;
    for value in headers.get_all(&name) {
        seen = true;
        let mut rest = value.to_str().map_err(|_| bad())?.trim();
        any |= rest == "*";
        while !rest.is_empty() && rest != "*" {
            let (list, after) = match rest.strip_prefix("W/") {
                Some(after) => (&mut weak, after),
                None => (&mut strong, rest),
            };
            let (tag, after) = after.strip_prefix('"').and_then(|after| after.split_once('"')).ok_or_else(bad)?;
            list.push(tag.to_owned());
            rest = match after.trim_start() {
                "" => "",
                more => more.strip_prefix(',').ok_or_else(bad)?.trim_start(),
            };
        }
    }
    if any && !(strong.is_empty() && weak.is_empty()) {
        return Err(bad());
    }
    Ok(seen.then_some(if any { Tags::Any } else { Tags::These { strong, weak } }))
}

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        Self::read(&parts.headers).map_err(IntoResponse::into_response)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &str)]) -> Result<Conditions, Refusal> {
        Conditions::read(&headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
    }

    #[test]
    fn a_change_is_made_to_the_version_that_was_seen_only() {
        let (now, before) = (ETag::of(&"now"), ETag::of(&"before"));
        assert_eq!(now, ETag::of(&"now"));
        let check =
            |headers: &[(&'static str, &str)], current: Option<&ETag>| read(headers).unwrap().check(current).is_ok();
        assert!(check(&[], Some(&now)) && check(&[], None));
        assert!(check(&[("if-match", &now.to_string())], Some(&now)));
        assert!(check(&[("if-match", &format!("{before} , {now}"))], Some(&now)));
        assert!(!check(&[("if-match", &before.to_string())], Some(&now)));
        assert!(!check(&[("if-match", &format!("W/{now}"))], Some(&now)), "compared strongly");
        assert!(check(&[("if-match", "*")], Some(&now)) && !check(&[("if-match", "*")], None));
        assert!(!check(&[("if-match", &now.to_string())], None), "it is gone");
        assert!(!check(&[("if-none-match", "*")], Some(&now)) && check(&[("if-none-match", "*")], None));
    }

    #[test]
    fn who_has_a_version_is_told_only_that_it_is_so_still() {
        let now = ETag::of(&"now");
        for (header, status) in [(now.to_string(), 304), (format!("W/{now}"), 304), ("\"else\"".to_owned(), 200)] {
            let response = read(&[("if-none-match", &header)]).unwrap().told(&now, "content");
            assert_eq!(response.status(), status, "{header}");
            assert_eq!(response.headers()[header::ETAG], now.to_string());
        }
    }

    #[test]
    fn what_changes_beside_its_version_is_told_whole_and_kept_by_nobody() {
        let response = Conditions::tagged(&ETag::of(&"now"), "content");
        assert_eq!(
            (response.status().as_u16(), &response.headers()[header::CACHE_CONTROL]),
            (200, &"no-store".parse().unwrap())
        );
        assert_eq!(response.headers()[header::ETAG], ETag::of(&"now").to_string());
    }

    #[test]
    fn nonsense_is_refused() {
        for nonsense in ["abc", "\"abc", "\"a\" \"b\"", "*, \"a\"", "W/abc", "\"a\",,b"] {
            assert!(read(&[("if-match", nonsense)]).is_err(), "{nonsense}");
        }
        assert!(read(&[("if-match", "")]).unwrap().check(Some(&ETag::of(&1))).is_err(), "none fits");
    }
}
