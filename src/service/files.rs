//! Files that the daemon may reach (landlock): what the system's libraries read, what the configuration names, and
//! nothing of anybody's home.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, RestrictionStatus, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus,
};

/// Read by libraries: certificates, time zones, resolvers, Kerberos; and by us: interfaces, routes, who has a port.
const READ: [&str; 9] = ["/etc", "/usr", "/lib", "/lib64", "/bin", "/proc", "/sys", "/run", "/var/lib/ieee-data"];
/// Devices that any program may use.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/log"];
/// Where the whole of a directory would be more than the file in it that is meant.
const SHARED: [&str; 12] =
    ["/", "/etc", "/usr", "/var", "/var/lib", "/home", "/root", "/tmp", "/srv", "/opt", "/boot", "/dev"];

/// Places beside the system's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Files and directories that are read.
    pub read: Vec<PathBuf>,
    /// Directories, or files in them, that are written.
    pub written: Vec<PathBuf>,
    /// Whether programs are run.
    pub commands: bool,
}

impl Places {
    /// What a configuration in this file needs: its own directory, where reservations and records are written beside it,
    /// and whatever its text names.
    #[must_use]
    pub fn named(file: Option<&Path>, text: &str, fixed: &[&Path]) -> Self {
        let mut places = Self { written: fixed.iter().map(|path| path.to_path_buf()).collect(), ..Self::default() };
        if let Some(directory) = file.and_then(|file| std::path::absolute(file).ok()?.parent().map(Path::to_path_buf)) {
            // A directory that belongs to everybody is read only as far as the file itself.
            match SHARED.contains(&&*directory.to_string_lossy()) {
                true => places.read.extend(file.map(Path::to_path_buf)),
                false => places.written.push(directory),
            }
        }
        for named in config::named_paths(text) {
            match named.written {
                true => places.written.push(named.path),
                false => places.read.push(named.path),
            }
        }
        places
    }
}

/// Gives up all other files on this thread and those that it makes, as far as the kernel can: in words, what is in force.
///
/// # Errors
/// In words: nothing is.
pub fn confine(places: &Places) -> Result<String, String> {
    restrict(places).map_err(|error| crate::words(&error)).and_then(|status| told(&status))
}

fn restrict(places: &Places) -> Result<RestrictionStatus, RulesetError> {
    // Newer kernels know more kinds of access; what an older one does not know is left out there.
    let abi = ABI::V5;
    let all = AccessFs::from_all(abi);
    let mut reading = AccessFs::from_read(abi);
    if !places.commands {
        reading.remove(AccessFs::Execute);
    }
    let mut writing = all;
    writing.remove(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock);
    // Terminals and devices are no business of ours.
    writing.remove(AccessFs::IoctlDev);
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(all)?.create()?;
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    let read = READ.iter().map(Path::new).chain(places.read.iter().map(PathBuf::as_path));
    let rules = (read.filter_map(|path| Some((readable(path)?, reading))))
        .chain(DEVICES.iter().map(|path| (PathBuf::from(path), device)))
        .chain(places.written.iter().filter_map(|path| Some((writable(path)?, writing))));
    for (path, access) in rules {
        // What is not there needs no rule.
        let Ok(fd) = PathFd::new(&path) else { continue };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(abi) };
        ruleset = ruleset.add_rule(PathBeneath::new(fd, access))?;
    }
    ruleset.restrict_self()
}

/// The directory of a file that may be replaced by another one of its name; a directory itself.
fn readable(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.to_path_buf());
    }
    let directory = path.parent()?;
    let whole = !SHARED.contains(&&*directory.to_string_lossy());
    Some(if whole { directory.to_path_buf() } else { path.to_path_buf() })
}

/// The directory itself; of a file, or of a directory that is not there yet, the nearest one above that is not
/// everybody's.
fn writable(path: &Path) -> Option<PathBuf> {
    let there = path.ancestors().find(|path| path.is_dir())?;
    let shared = SHARED.contains(&&*there.to_string_lossy()) && there != path;
    match shared {
        true => path.is_file().then(|| path.to_path_buf()),
        false => Some(there.to_path_buf()),
    }
}

fn told(status: &RestrictionStatus) -> Result<String, String> {
    let version = match status.landlock {
        landlock::LandlockStatus::Available { effective_abi, kernel_abi } => {
            kernel_abi.map_or(effective_abi as i32, |known| known)
        }
        landlock::LandlockStatus::NotEnabled => return Err("landlock is turned off in this kernel".to_owned()),
        landlock::LandlockStatus::NotImplemented => return Err("this kernel has no landlock".to_owned()),
    };
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(format!("landlock (version {version})")),
        RulesetStatus::PartiallyEnforced => {
            Ok(format!("landlock in part (version {version}; a newer kernel holds back more)"))
        }
        RulesetStatus::NotEnforced => Err("landlock is not enforced".to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_files_directory_and_what_it_names_are_reached_and_everybodys_directories_are_not() {
        let text = "[server]\nstore = \"/var/lib/l\"\n[tftp]\nroot = \"/srv/tftp\"\n";
        let places = Places::named(Some(Path::new("/etc/leasehold/l.toml")), text, &[Path::new("/run/l")]);
        assert!(places.written.contains(&PathBuf::from("/etc/leasehold")));
        assert!(places.written.contains(&PathBuf::from("/var/lib/l")));
        assert!(places.written.contains(&PathBuf::from("/run/l")));
        assert_eq!(places.read, [PathBuf::from("/srv/tftp")]);
        let places = Places::named(Some(Path::new("/etc/l.toml")), "", &[]);
        assert_eq!(places, Places { read: vec!["/etc/l.toml".into()], ..Places::default() });
    }

    #[test]
    fn a_file_that_may_be_replaced_opens_its_directory_unless_that_is_everybodys() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        assert_eq!(readable(&file), Some(directory.path().to_path_buf()));
        assert_eq!(readable(directory.path()), Some(directory.path().to_path_buf()));
        assert_eq!(readable(Path::new("/home/key")), Some("/home/key".into()));
        assert_eq!(writable(&directory.path().join("a/b")), Some(directory.path().to_path_buf()));
        assert_eq!(writable(Path::new("/no-such-directory")), None);
        assert_eq!(writable(Path::new("/tmp")), Some("/tmp".into()));
    }
}
