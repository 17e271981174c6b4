//! The files of the page. They are under a path that names their version, so that a browser keeps each for ever; only
//! the one that names that path, `index.html`, is asked for anew each time.

use std::io::Read as _;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// A file of the page.
pub(crate) struct File {
    name: &'static str,
    gzip: &'static [u8],
}

impl File {
    fn kind(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, suffix)| suffix) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js" | "mjs") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("woff2") => "font/woff2",
            Some("webmanifest") => "application/manifest+json",
            _ => "text/plain; charset=utf-8",
        }
    }

    fn plain(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        // What this program has packed itself can be unpacked.
        drop(GzDecoder::new(self.gzip).read_to_end(&mut plain));
        plain
    }
}

/// The names of all files.
pub fn file_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|file| file.name)
}

/// How many bytes all files whose name `wanted` picks take, compressed.
pub fn compressed_bytes(wanted: impl Fn(&str) -> bool) -> usize {
    FILES.iter().filter(|file| wanted(file.name)).map(|file| file.gzip.len()).sum()
}

/// `/assets/VERSION/NAME`.
pub(crate) async fn asset(Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    // A page that was loaded before the program was renewed asks for files that are no more: it has to load anew, and
    // must not get one file of another version.
    let found = FILES.iter().find(|file| version == VERSION && file.name == name && name != "index.html");
    let Some(file) = found else {
        return (StatusCode::NOT_FOUND, "no such file of this version of the page\n").into_response();
    };
    let mut response = send(file, &headers);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}

/// Every view of the page: the page itself finds out by the path what is to be shown.
pub(crate) async fn page() -> Response {
    let Some(file) = FILES.iter().find(|file| file.name == "index.html") else {
        return (StatusCode::NOT_FOUND, "the page was left out of this program\n").into_response();
    };
    let text = String::from_utf8_lossy(&file.plain()).replace("@VERSION@", VERSION);
    ([(header::CONTENT_TYPE, file.kind()), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

fn send(file: &File, headers: &HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let takes_gzip = accepts.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        named && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    });
    let kind = [(header::CONTENT_TYPE, file.kind()), (header::VARY, "accept-encoding")];
    if takes_gzip {
        return (kind, [(header::CONTENT_ENCODING, "gzip")], Body::from(file.gzip)).into_response();
    }
    (kind, file.plain()).into_response()
}
