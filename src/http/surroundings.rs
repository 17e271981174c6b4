//! What the machine is to whoever judges requests: clocks, randomness, and the log.

use std::fmt;
use std::time::{Duration, Instant};

use tracing::{info, warn};
use web::access::{Incident, Peer, Surroundings};

use crate::clock::machine_wall_secs;
use crate::port_holder::find_owner;
use crate::quiet::Quiet;

/// Lines of the log in ten seconds about attempts that failed.
const LINES: u32 = 10;

/// See the module.
pub(super) struct Machine {
    start: Instant,
    failed: Quiet,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), failed: Quiet::after(LINES) }
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

impl Surroundings for Machine {
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall_secs(&self) -> u64 {
        machine_wall_secs()
    }

    fn random(&self) -> [u8; 32] {
        random()
    }

    fn uid_of(&self, peer: &Peer) -> Option<u32> {
        find_owner(peer.remote, peer.local)
    }

    fn tell(&self, incident: &Incident) {
        let told = |words: String| {
            if let Some(more) = self.failed.may_tell() {
                warn!("{words}{more}");
            }
        };
        match incident {
            Incident::SignedIn { name, address } => info!("{name} has signed in from {address}"),
            Incident::SignedOut { name, address } => info!("{name} has signed out at {address}"),
            // The name is anybody's text, and a password now and then.
            Incident::WrongPassword { name: Some(name), address } => {
                told(format!("a wrong password for {name} from {address}"));
            }
            Incident::WrongPassword { name: None, address } => {
                told(format!("somebody tried to sign in from {address} with a name that no user has"));
            }
            Incident::WrongToken { why, address } => told(format!("a token was refused from {address}: {why}")),
            Incident::HeldOff { address, wait } => {
                let secs = wait.as_secs().max(1);
                told(format!("too many wrong attempts to sign in from {address}: it waits {secs} s for the next one"));
            }
        }
    }
}

/// Bytes that nobody can guess.
///
/// # Panics
/// When the system has none: nothing secret can be made then.
pub(crate) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the system's source of randomness answers");
    bytes
}
