//! One delivery: a post, or a program that is run. Both block, and are done on a thread that may.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::settings::{HookSecret, HookSettings, HookTarget};
use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::{Telling, sign};
use crate::clock::machine_wall_secs;

/// How often it is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Why a delivery failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may go well later.
    ForNow(String),
    /// It never will.
    ForGood(String),
}

/// What is delivered, and where to.
#[derive(Clone, Debug)]
pub struct Delivery {
    target: HookTarget,
    secret: Option<HookSecret>,
    timeout: Duration,
    body: Vec<u8>,
    id: String,
    /// What a program is told in its environment.
    facts: Vec<(&'static str, String)>,
}

impl Delivery {
    /// Of this event to that hook; `body` is the event as JSON.
    #[must_use]
    pub fn new(hook: &HookSettings, telling: &Telling<'_>, body: Vec<u8>) -> Self {
        let lease = telling.lease;
        let facts = vec![
            ("LEASEHOLD_EVENT", telling.event.to_owned()),
            ("LEASEHOLD_EVENT_ID", telling.id.clone()),
            ("LEASEHOLD_AT", telling.at.to_string()),
            ("LEASEHOLD_ADDRESS", lease.address.to_string()),
            ("LEASEHOLD_SUBNET", lease.subnet.clone()),
            ("LEASEHOLD_HARDWARE", lease.hardware.clone()),
            ("LEASEHOLD_HOSTNAME", lease.hostname.clone()),
            ("LEASEHOLD_NAME", lease.name.clone().unwrap_or_default()),
        ];
        Self {
            target: hook.target.clone(),
            secret: hook.secret.clone(),
            timeout: Duration::from_secs(hook.timeout_secs.into()),
            body,
            id: telling.id.clone(),
            facts,
        }
    }

    /// Delivers it once.
    ///
    /// # Errors
    /// [`Failure`], in words that hold neither the address's secrets nor the signature's.
    pub async fn send(&self) -> Result<(), Failure> {
        let delivery = self.clone();
        let done = tokio::task::spawn_blocking(move || match &delivery.target {
            HookTarget::Url(url) => delivery.post(url),
            HookTarget::Command(program, words) => delivery.run(program, words),
        });
        done.await.unwrap_or_else(|_| Err(Failure::ForGood("the delivery panicked".to_owned())))
    }

    fn post(&self, url: &str) -> Result<(), Failure> {
        let mut config = ureq::Agent::config_builder().timeout_global(Some(self.timeout)).max_redirects(0);
        if url.starts_with("https://") {
            config = config.tls_config(tls()?);
        }
        let agent = config.user_agent(concat!("leasehold/", env!("CARGO_PKG_VERSION"))).build().new_agent();
        let mut request = agent
            .post(url)
            .header("content-type", "application/json")
            // Whoever sees one twice, because our answer was lost, has it already.
            .header("idempotency-key", &self.id);
        if let Some(secret) = &self.secret {
            let at = machine_wall_secs();
            if let Some(signature) = sign::signature(secret, at, &self.body) {
                request = request.header(sign::TIME_HEADER, at.to_string()).header(sign::HEADER, signature);
            }
        }
        match request.send(&self.body) {
            Ok(response) => judge(response.status().as_u16()),
            Err(ureq::Error::StatusCode(status)) => judge(status),
            // What a library says of an address may hold all of it.
            Err(error) => Err(Failure::ForNow(error.to_string().replace(url, &self.target.shown()))),
        }
    }

    fn run(&self, program: &PathBuf, words: &[String]) -> Result<(), Failure> {
        let mut command = Command::new(program);
        // Neither our sockets (they close themselves) nor what is in our environment is its business.
        command.args(words).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.envs(self.facts.iter().map(|(name, value)| (name, value)));
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let mut child = command
            .spawn()
            .map_err(|error| Failure::ForGood(format!("{} cannot be run: {error}", program.display())))?;
        let stdin = child.stdin.take();
        let body = self.body.clone();
        // A program that does not read must not hold us up: an event is smaller than a pipe, all but for freaks.
        let writing = std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&body)));
        let ended = wait(&mut child, self.timeout);
        // The program has ended or was ended, and with it its end of the pipe.
        drop(writing.join());
        match ended {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Failure::ForNow(format!("{} ended with {status}", program.display()))),
            None => Err(Failure::ForNow(format!(
                "{} had not ended after {} s, and was killed",
                program.display(),
                self.timeout.as_secs()
            ))),
        }
    }
}

/// Waits for its end; `None`: its time was over, and it was killed.
fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK),
            _ => {
                _ = child.kill();
                _ = child.wait();
                return None;
            }
        }
    }
}

/// What an answer means: whoever says "not now" is asked again, whoever says "no" is not.
fn judge(status: u16) -> Result<(), Failure> {
    match status {
        200..=299 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(Failure::ForNow(format!("it answered {status}"))),
        300..=399 => Err(Failure::ForGood(format!("it answered {status}: events are not sent on to another address"))),
        _ => Err(Failure::ForGood(format!("it answered {status}"))),
    }
}

/// TLS with the machine's authorities.
pub(crate) fn tls() -> Result<TlsConfig, Failure> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(Failure::ForNow("this machine trusts no certificate authority".to_owned()));
    }
    let own = |certificate: &CertificateDer<'_>| Certificate::from_der(certificate.as_ref()).to_owned();
    let roots = found.certs.iter().map(own).collect();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(crate::tls::provider())
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_again_and_who_is_not() {
        assert_eq!(judge(204), Ok(()));
        for status in [408, 429, 500, 503] {
            assert!(matches!(judge(status), Err(Failure::ForNow(_))), "{status}");
        }
        for status in [301, 400, 401, 404, 410] {
            assert!(matches!(judge(status), Err(Failure::ForGood(_))), "{status}");
        }
    }
}
