//! Root's power given up: another user, and of the capabilities only those that the sockets need.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::unistd::{Gid, Uid, User, geteuid, initgroups, setresgid, setresuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_keep_capabilities,
};

/// What is kept: ports below 1024 (67, 53, 69), and raw sockets for clients that have no address yet and for probes.
/// Interfaces come and go while the daemon runs, and with them sockets, so that it is needed for as long as it runs.
pub const KEPT: CapabilitySet = CapabilitySet::NET_BIND_SERVICE.union(CapabilitySet::NET_RAW);
/// The highest capability that the kernel may know.
const LAST: u32 = 63;

/// Becomes this user when root has started us. The directories that the daemon writes become the user's first: those that
/// are its own, `written`, with what root has left in them, and those that it has just `made`.
///
/// # Errors
/// There is no such user, or the kernel refuses; then nothing has been opened yet, and nothing may be.
pub fn become_user(name: &str, written: &[&Path], made: &[PathBuf]) -> anyhow::Result<()> {
    let user = User::from_name(name).with_context(|| format!("cannot look for the user {name}"))?;
    let Some(user) = user else {
        bail!(
            "there is no user {name} (`user` in [service]); make it: \
             useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin {name}"
        );
    };
    if geteuid() == user.uid {
        return Ok(());
    }
    if !geteuid().is_root() {
        tracing::warn!(
            "`user = \"{name}\"` in [service] is not followed: only root can become somebody else, and root did not \
             start this daemon"
        );
        return Ok(());
    }
    // One that stands right below the root (/run) is everybody's.
    let own = written.iter().copied().filter(|directory| directory.components().count() > 2);
    for directory in own.chain(made.iter().map(PathBuf::as_path)) {
        hand_over(directory, user.uid, user.gid)
            .with_context(|| format!("cannot give {} to the user {name}", directory.display()))?;
    }
    let failed = || format!("cannot become the user {name}");
    for bit in 0..=LAST {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if !KEPT.contains(capability) {
            // The kernel knows fewer than there are bits.
            _ = remove_capability_from_bounding_set(capability);
        }
    }
    set_keep_capabilities(true).with_context(failed)?;
    let as_c = CString::new(name).with_context(failed)?;
    initgroups(&as_c, user.gid).with_context(failed)?;
    setresgid(user.gid, user.gid, user.gid).with_context(failed)?;
    setresuid(user.uid, user.uid, user.uid).with_context(failed)?;
    let sets = CapabilitySets { effective: KEPT, permitted: KEPT, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).with_context(failed)
}

/// Programs that are started, for hooks, get none of our capabilities.
pub fn keep_from_programs() {
    // A kernel that has no such set hands none on.
    _ = clear_ambient_capability_set();
}

/// A directory and what root has left in it become the user's. Links are not followed, and what belongs to somebody else
/// stays theirs.
fn hand_over(path: &Path, uid: Uid, gid: Gid) -> std::io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if found.uid() == 0 && !found.is_symlink() {
        lchown(path, Some(uid.as_raw()), Some(gid.as_raw()))?;
    }
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            hand_over(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}

/// Who this process is.
#[must_use]
pub fn user() -> String {
    let uid = geteuid();
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// The capabilities in force, by their names; `None`: all of them.
#[must_use]
pub fn held() -> Option<Vec<String>> {
    let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    if held.contains(CapabilitySet::SYS_ADMIN | CapabilitySet::DAC_OVERRIDE | CapabilitySet::SETUID) {
        return None;
    }
    Some(held.iter_names().map(|(name, _)| format!("CAP_{name}")).collect())
}
