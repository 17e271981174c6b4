//! Lists from elsewhere: fetched by HTTP, and kept in a file, so that a start without a network blocks at once.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::tls;

/// A longer list is not taken, in octets: ten times the longest that are known.
const OCTETS_MAX: u64 = 64 << 20;
/// How long fetching may take in all, and until somebody is there.
const PATIENCE: Duration = Duration::from_secs(120);
const CONNECT: Duration = Duration::from_secs(10);

/// What the server said of the copy that is kept: with it, it can answer that nothing has changed (RFC 9110 section 13).
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    url: String,
    etag: Option<String>,
    last_modified: Option<String>,
}

/// The file that a list is kept in.
pub(super) fn copy_of(directory: &Path, list: &str) -> PathBuf {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    // Names that come to the same letters are told apart by a number made of all of them.
    let digest = Sha256::digest(list.as_bytes());
    let number: String = digest.iter().take(4).map(|octet| format!("{octet:02x}")).collect();
    directory.join(format!("{}-{number}.list", list.chars().map(plain).collect::<String>()))
}

/// Brings the copy up to date, on a thread of its own; whether there is another one now.
///
/// # Errors
/// Why not, in words: then the copy is as it was.
pub(super) async fn fetch(url: &str, copy: &Path) -> Result<bool, String> {
    let (done, ended) = oneshot::channel();
    let (url, copy) = (url.to_owned(), copy.to_owned());
    // Not one of the runtime's, which would be waited for when the daemon ends.
    let spawned = std::thread::Builder::new().name("block list".to_owned()).spawn(move || {
        // Whoever waits may have gone.
        let _ = done.send(fetch_now(&url, &copy));
    });
    spawned.map_err(|error| error.to_string())?;
    ended.await.unwrap_or_else(|_| Err("the thread that fetches it ended".to_owned()))
}

fn fetch_now(url: &str, copy: &Path) -> Result<bool, String> {
    let beside = copy.with_extension("json");
    let known = fs::read(&beside).ok().and_then(|text| serde_json::from_slice::<Known>(&text).ok());
    let known = known.filter(|known| known.url == url && copy.exists()).unwrap_or_default();
    let agent = agent();
    let mut request = agent.get(url);
    if let Some(etag) = &known.etag {
        request = request.header("if-none-match", etag);
    }
    if let Some(time) = &known.last_modified {
        request = request.header("if-modified-since", time);
    }
    let mut response = request.call().map_err(|error| error.to_string())?;
    match response.status().as_u16() {
        304 => return Ok(false),
        200 => {}
        status => return Err(format!("the server says {status}")),
    }
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let known = Known { url: url.to_owned(), etag: header("etag"), last_modified: header("last-modified") };
    let text = unpacked(response.body_mut(), OCTETS_MAX).map_err(|error| error.to_string())?;
    if !super::holds_names(&text) {
        return Err("what came holds no name: is it a list?".to_owned());
    }
    let words = |error: io::Error| format!("it cannot be kept in {}: {error}", copy.display());
    if let Some(directory) = copy.parent() {
        fs::create_dir_all(directory).map_err(words)?;
    }
    // What is said of a copy that is not there yet would be believed after a crash.
    let _ = fs::remove_file(&beside);
    replace(copy, &text).map_err(words)?;
    replace(&beside, &serde_json::to_vec(&known).unwrap_or_default()).map_err(words)?;
    Ok(true)
}

/// The whole of a body, unless it is longer. The limit of `ureq` is for what comes over the wire: a few of those octets can
/// unpack to any number.
pub(crate) fn unpacked(body: &mut ureq::Body, octets_max: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    body.as_reader().take(octets_max + 1).read_to_end(&mut octets)?;
    match octets.len() as u64 > octets_max {
        true => Err(io::Error::other(format!("it is longer than {octets_max} octets"))),
        false => Ok(octets),
    }
}

fn agent() -> ureq::Agent {
    let found = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<Certificate<'static>> =
        found.iter().map(|found: &CertificateDer<'_>| Certificate::from_der(found).to_owned()).collect();
    let trusted = TlsConfig::builder()
        .root_certs(RootCerts::Specific(std::sync::Arc::new(roots)))
        .unversioned_rustls_crypto_provider(tls::provider())
        .build();
    let config = ureq::Agent::config_builder()
        .tls_config(trusted)
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .timeout_connect(Some(CONNECT))
        .user_agent(concat!("leasehold/", env!("CARGO_PKG_VERSION")))
        .build();
    ureq::Agent::new_with_config(config)
}

/// Written beside and renamed, so that no half of it is ever read.
fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_unpacks_to_more_than_is_taken_is_refused() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/list", listener.local_addr().unwrap());
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&vec![b'a'; 1 << 20]).unwrap();
        let packed = packed.finish().unwrap();
        assert!(packed.len() < 1 << 14, "short on the wire");
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut octet = [0];
                    stream.read_exact(&mut octet).unwrap();
                    request.push(octet[0]);
                }
                let length = packed.len();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                )
                .unwrap();
                stream.write_all(&packed).unwrap();
            }
        });
        let ask = |octets_max| unpacked(agent().get(&url).call().unwrap().body_mut(), octets_max);
        assert_eq!(ask(1 << 20).unwrap().len(), 1 << 20);
        assert!(ask((1 << 20) - 1).unwrap_err().to_string().contains("longer"));
        server.join().unwrap();
    }
}
