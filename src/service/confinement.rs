//! What is given up, in which order, and what is in force since.
//!
//! First the user, which needs root; then files, while the filter of system calls does not stand in the way; that one last.
//! What the kernel does not have keeps nothing from starting: it is told in the log and by `leasehold status`.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use config::Config;
use config::settings::{HookTarget, Listen};
use nix::unistd::AccessFlags;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::files::{self, Places};
use super::{calls, privileges};
use crate::port_holder;

/// A process is confined once, and for good.
static IN_FORCE: OnceLock<Vec<Measure>> = OnceLock::new();

/// One thing that was to be given up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Measure {
    /// In words: what is in force, or why it is not.
    told: Result<String, String>,
}

/// What is given up, to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfinementView {
    /// Who the daemon is.
    pub user: String,
    /// The capabilities that it holds; `None`: all.
    pub capabilities: Option<Vec<String>>,
    /// What confines it, in words.
    pub in_force: Vec<String>,
    /// What does not, and why.
    pub missing: Vec<String>,
}

impl std::fmt::Display for ConfinementView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "runs as {}", self.user)?;
        match &self.capabilities {
            None => write!(f, " with every capability")?,
            Some(held) if held.is_empty() => write!(f, " with no capability")?,
            Some(held) => write!(f, " with {}", held.join(" "))?,
        }
        write!(f, ", confined by {}", list(&self.in_force))?;
        for why in &self.missing {
            write!(f, "; {why}")?;
        }
        Ok(())
    }
}

/// Gives up what this configuration leaves no use for. `file` is the one that it was read from, `text` what it said.
///
/// # Errors
/// The user that the configuration names cannot be become.
pub fn confine(config: &Config, file: Option<&Path>, text: &str) -> anyhow::Result<()> {
    let store = config.daemon.store.as_path();
    let control = config.daemon.control.parent().unwrap_or_else(|| Path::new("/run"));
    for directory in [store, control] {
        // Where it cannot be made, whoever needs it tells why.
        _ = std::fs::create_dir_all(directory);
    }
    let elsewhere = elsewhere(config);
    let made: Vec<PathBuf> = elsewhere.iter().filter_map(|(directory, _)| make(directory)).collect();
    if let Some(user) = &config.service.user {
        privileges::become_user(user, &[store, control], &made)?;
    }
    for (directory, what) in &elsewhere {
        // One that was there before is whoever's it was.
        if nix::unistd::access(*directory, AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
            warn!(
                "{what} cannot be written to {}: the directory is not there, or not writable for {}",
                directory.display(),
                privileges::user()
            );
        }
    }
    privileges::keep_from_programs();
    if !config.service.sandbox {
        let off = || Measure { told: Err("`sandbox = \"off\"` in [service]".to_owned()) };
        IN_FORCE.get_or_init(|| vec![off()]);
        return Ok(());
    }
    port_holder::remember(&ports(config));
    let programs = config.hooks.iter().filter_map(|hook| match &hook.target {
        HookTarget::Command(program, _) => Some(program.clone()),
        HookTarget::Url(_) => None,
    });
    let programs: Vec<_> = programs.collect();
    let mut places = Places { commands: !programs.is_empty(), ..Places::named(file, text, &[store, control]) };
    places.read.extend(programs);
    let measures = IN_FORCE.get_or_init(|| {
        [files::confine(&places), calls::confine(places.commands)].map(|told| Measure { told }).to_vec()
    });
    for measure in measures {
        if let Err(words) = &measure.told {
            warn!("the daemon is confined less than it could be: {words}");
        }
    }
    info!("{}", view());
    Ok(())
}

/// Directories outside of the store that the daemon writes to, with what it writes there.
fn elsewhere(config: &Config) -> Vec<(&Path, &'static str)> {
    let backups = config.backup.iter().filter(|backup| backup.every_secs.is_some());
    let backups = backups.map(|backup| (backup.directory.as_path(), "backups (`directory` in [backup])"));
    let log = config.dns.forward.iter().filter_map(|forward| forward.resolver.log.file.as_deref()?.parent());
    let log = log.map(|directory| (directory, "the log of questions (`log_file` in [resolver])"));
    let outside = |directory: &Path| !directory.as_os_str().is_empty() && !directory.starts_with(&config.daemon.store);
    backups.chain(log).filter(|(directory, _)| outside(directory)).collect()
}

/// Makes a directory, and those above it that are missing: the uppermost that was made. Nobody else is to look into them.
fn make(directory: &Path) -> Option<PathBuf> {
    let missing = directory.ancestors().take_while(|path| !path.exists()).last()?;
    // Where it cannot be made, whoever needs it tells why.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).ok()?;
    Some(missing.to_path_buf())
}

/// The ports that are bound at the start, or may be later.
fn ports(config: &Config) -> Vec<u16> {
    let listened = |listen: &Listen| match listen {
        Listen::Interfaces { port } => vec![*port],
        Listen::Addresses(list) => list.iter().map(std::net::SocketAddr::port).collect(),
    };
    let mut ports = vec![config.daemon.ports.server];
    if config.dns.enabled {
        let encrypted = config.dns.encrypted.iter().flat_map(|encrypted| encrypted.tls.iter().chain(&encrypted.https));
        ports.extend(std::iter::once(&config.dns.listen).chain(encrypted).flat_map(listened));
    }
    ports.extend(config.tftp.iter().flat_map(|tftp| listened(&tftp.listen)));
    ports.extend(config.web.iter().map(|web| web.listen.port()));
    ports.extend(config.web.iter().filter_map(|web| web.redirect).map(|redirect| redirect.port()));
    ports
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(" and ") }
}

/// What is in force in this process.
#[must_use]
pub fn view() -> ConfinementView {
    let measures = IN_FORCE.get().map(Vec::as_slice).unwrap_or_default();
    ConfinementView {
        user: privileges::user(),
        capabilities: privileges::held(),
        in_force: measures.iter().filter_map(|measure| measure.told.clone().ok()).collect(),
        missing: measures.iter().filter_map(|measure| measure.told.clone().err()).collect(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_missing_is_made_and_told() {
        let top = tempfile::tempdir().unwrap();
        let deep = top.path().join("a/b");
        assert_eq!(make(&deep), Some(top.path().join("a")));
        assert!(deep.is_dir());
        assert_eq!(make(&deep), None, "it is somebody's by now");
        assert_eq!(make(&deep.join("c")), Some(deep.join("c")));
    }
}
