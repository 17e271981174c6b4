//! The files of a configuration: the main one, the one beside it that commands, the API and the page write, and those that
//! they name.
//!
//! A file that is written here is replaced whole: written under another name, synced, renamed, and the directory synced. Whoever reads
//! it, also after a crash, finds the former or the new one.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use config::beside::{AllFound, Found, Text, check, path_beside, unreadable};
use config::hidden::Restored;
use config::{Config, ReadSecret};

/// The octets of one file that a master file includes.
const MASTER_FILE_OCTETS_MAX: u64 = 64 << 20;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The main file.
    Main,
    /// The one beside it that commands write.
    Beside,
}

/// Both files as they were read.
#[derive(Clone, Debug)]
pub struct Files {
    /// The main file's name.
    name: String,
    directory: PathBuf,
    bytes: Vec<u8>,
    /// The other one's name.
    beside_name: String,
    /// What it says; `None`: there is none.
    beside: Option<Vec<u8>>,
    /// The main file was sent without its secrets, and what is found in it is told so.
    hidden: Option<Arc<Restored>>,
}

impl Files {
    /// Reads them.
    ///
    /// # Errors
    /// When one of them is there and cannot be read, or the main one is not there.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let name = file.display().to_string();
        let bytes = fs::read(file).with_context(|| {
            format!("cannot read the configuration {name}: make sure that it exists and is readable")
        })?;
        let directory = file.parent().map(Path::to_path_buf).unwrap_or_default();
        let path = path_beside(file);
        let beside_name = path.display().to_string();
        let beside = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {beside_name}")),
        };
        Ok(Self { name, directory, bytes, beside_name, beside, hidden: None })
    }

    /// The main file as in `other`, and the other one as here.
    #[must_use]
    pub fn with_main_of(self, other: &Self) -> Self {
        Self { bytes: other.bytes.clone(), ..self }
    }

    /// The same with another text beside the main one.
    #[must_use]
    pub fn with_beside(&self, text: &str) -> Self {
        Self { beside: Some(text.as_bytes().to_vec()), ..self.clone() }
    }

    /// The same with another text as the main one.
    #[must_use]
    pub fn with_main(&self, text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), ..self.clone() }
    }

    /// The same with a main file that was sent without its secrets.
    #[must_use]
    pub fn with_restored(&self, restored: Restored) -> Self {
        Self { hidden: Some(Arc::new(restored.clone())), ..self.with_main(&restored.text) }
    }

    /// What the file beside the main one says; empty when there is none.
    ///
    /// # Errors
    /// It is no text.
    pub fn beside(&self) -> Result<&str, String> {
        self.text(Which::Beside)
    }

    /// What one of them says; empty for one that is not there.
    ///
    /// # Errors
    /// It is no text.
    pub fn text(&self, which: Which) -> Result<&str, String> {
        let bytes = match which {
            Which::Main => &self.bytes[..],
            Which::Beside => self.beside.as_deref().unwrap_or_default(),
        };
        std::str::from_utf8(bytes).map_err(|_| format!("{} is not text in UTF-8", self.name(which)))
    }

    /// The name of one of them.
    #[must_use]
    pub fn name(&self, which: Which) -> &str {
        match which {
            Which::Main => &self.name,
            Which::Beside => &self.beside_name,
        }
    }

    /// What the main file says; empty when it is no text, which no configuration is in force from.
    #[must_use]
    pub fn main(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// The name of the file beside the main one.
    #[must_use]
    pub fn beside_name(&self) -> &str {
        &self.beside_name
    }

    /// What they come to.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn check(&self) -> Result<(Config, AllFound), AllFound> {
        let decoded = |bytes, name: &str| {
            config::decode(bytes, name)
                .map_err(|faults| AllFound(vec![Found { faults, text: String::from_utf8_lossy(bytes).into_owned() }]))
        };
        let main = Text { name: &self.name, text: decoded(&self.bytes, &self.name)? };
        let beside = match &self.beside {
            Some(bytes) => Some(Text { name: &self.beside_name, text: decoded(bytes, &self.beside_name)? }),
            None => None,
        };
        let told = |found| match &self.hidden {
            Some(hidden) => hidden.told(found, &self.name),
            None => found,
        };
        match check(main, beside, &Beneath(self)) {
            Ok((config, warnings)) => Ok((config, told(warnings))),
            Err(found) => Err(told(found)),
        }
    }

    /// Puts the file beside the main one as it is here; see the module.
    ///
    /// # Errors
    /// It is as it was, unless the directory alone could not be synced.
    pub fn write_beside(&self) -> io::Result<()> {
        self.write(Which::Beside)
    }

    /// Puts one of the files as it is here; see the module.
    ///
    /// # Errors
    /// As for the one beside.
    pub fn write(&self, which: Which) -> io::Result<()> {
        let named = Path::new(self.name(which));
        // A link stays one, and what it leads to is replaced.
        let path = &fs::canonicalize(named).unwrap_or_else(|_| named.to_path_buf());
        let bytes = match which {
            Which::Main => Some(&self.bytes),
            Which::Beside => self.beside.as_ref(),
        };
        let Some(bytes) = bytes else {
            return match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => sync_directory(path),
            };
        };
        let begun = path.with_extension("toml.new");
        let written = (|| {
            // Left over from a crash, and perhaps open to all.
            _ = fs::remove_file(&begun);
            // Secrets stand in it before it has its own mode.
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&begun)?;
            // Whoever may read the other file may read this one: a group that keeps it in git.
            if let Ok(metadata) = fs::metadata(path).or_else(|_| fs::metadata(&self.name)) {
                let mode = metadata.permissions().mode() & 0o666;
                // A daemon that is not root cannot give a file away, and need not.
                _ = fchown(&file, Some(metadata.uid()), Some(metadata.gid()));
                file.set_permissions(fs::Permissions::from_mode(mode))?;
            }
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&begun, path)
        })();
        if written.is_err() {
            // The next one is written over it.
            _ = fs::remove_file(&begun);
        }
        written.and_then(|()| sync_directory(path))
    }
}

/// Has `write` put one of the `files`, and that of `former` again where that fails: it may fail when the new text already
/// stands there, and a later start would take that over.
///
/// # Errors
/// Why, and what stands there now, in words.
pub fn write_or_put_back(
    which: Which,
    files: &Files,
    former: &Files,
    write: impl Fn(&Files) -> io::Result<()>,
) -> Result<(), String> {
    let Err(error) = write(files) else { return Ok(()) };
    let name = files.name(which);
    let put_back = write(former);
    let stood = match which {
        Which::Main => Some(&former.bytes),
        Which::Beside => former.beside.as_ref(),
    };
    // Also where only the directory could not be synced, again, the former text stands there.
    let stands = match fs::read(Path::new(name)) {
        Ok(bytes) => stood == Some(&bytes),
        Err(error) => error.kind() == ErrorKind::NotFound && stood.is_none(),
    };
    Err(match put_back {
        Err(again) if !stands => format!(
            "{name} cannot be written ({error}), and what it said before could not be put back ({again}): look at it \
             before the next start; the daemon goes on as before"
        ),
        _ => format!("{name} cannot be written, and nothing was changed: {error}"),
    })
}

/// What came of reading and checking files, with what cannot be read told as a fault.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read_and_check(file: &Path) -> Result<(Config, AllFound), AllFound> {
    match Files::read(file) {
        Ok(files) => files.check(),
        Err(error) => Err(unreadable(&file.display().to_string(), &format!("{error:#}"))),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// What the files name.
struct Beneath<'f>(&'f Files);

/// A relative path is relative to the file that names it.
impl ReadSecret for Beneath<'_> {
    fn read_secret(&self, path: &Path) -> Result<String, String> {
        fs::read_to_string(self.0.directory.join(path)).map_err(|error| error.to_string())
    }

    fn read_included(&self, within: &Path, path: &Path) -> Result<String, String> {
        read_beneath(&self.0.directory.join(within), path)
    }

    fn is_open_to_all(&self, path: &Path) -> bool {
        is_open_to_all(&self.0.directory.join(path))
    }

    fn has_kerberos(&self) -> bool {
        crate::kerberos::AVAILABLE
    }

    fn configuration_is_open_to_all(&self) -> bool {
        is_open_to_all(Path::new(&self.0.name))
    }
}

/// The text of a file at or beneath `directory`: a link does not lead out of it, since whoever may write a zone's file
/// need not be one who may read every other. Of at most [`MASTER_FILE_OCTETS_MAX`].
fn read_beneath(directory: &Path, path: &Path) -> Result<String, String> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let words = |error: io::Error| error.to_string();
    let root = directory.canonicalize().map_err(words)?;
    let real = root.join(path).canonicalize().map_err(words)?;
    if !real.starts_with(&root) {
        return Err(format!("it leads to {}, out of {}", real.display(), root.display()));
    }
    let mut text = String::new();
    let file = File::open(&real).map_err(words)?;
    file.take(MASTER_FILE_OCTETS_MAX + 1).read_to_string(&mut text).map_err(words)?;
    if text.len() as u64 > MASTER_FILE_OCTETS_MAX {
        return Err(format!("it has more than {MASTER_FILE_OCTETS_MAX} octets"));
    }
    Ok(text)
}

/// The file's own mode: whether a directory above it keeps people out is not looked at, since it may be opened some day.
fn is_open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panic")]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_beneath_the_folder_is_read_and_no_way_leads_out_of_it() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("zones");
        fs::create_dir_all(folder.join("more")).unwrap();
        fs::write(folder.join("a.zone"), "a").unwrap();
        fs::write(folder.join("more/b.zone"), "b").unwrap();
        fs::write(top.path().join("secret"), "s").unwrap();
        symlink("more/b.zone", folder.join("within")).unwrap();
        symlink("../secret", folder.join("file-out")).unwrap();
        symlink("..", folder.join("folder-out")).unwrap();
        let read = |path: &str| read_beneath(&folder, Path::new(path));
        assert_eq!(read("a.zone"), Ok("a".to_owned()));
        assert_eq!(read("more/b.zone"), Ok("b".to_owned()));
        assert_eq!(read("more/../a.zone"), Ok("a".to_owned()));
        assert_eq!(read("within"), Ok("b".to_owned()), "a link that stays is a file like others");
        let outside = top.path().join("secret");
        for out in ["../secret", "file-out", "folder-out/secret", outside.to_str().unwrap(), "/etc/passwd"] {
            let told = read(out).unwrap_err();
            assert!(told.starts_with("it leads to "), "{out}: {told}");
        }
        assert!(read("missing").unwrap_err().contains("No such file"));
        assert!(read("more").is_err(), "a folder is no file");
        // A folder that is itself reached by a link is where the link leads.
        symlink(&folder, top.path().join("way")).unwrap();
        assert_eq!(read_beneath(&top.path().join("way"), Path::new("a.zone")), Ok("a".to_owned()));
    }

    #[test]
    fn what_could_not_be_written_for_certain_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("leasehold.toml");
        fs::write(&main, "").unwrap();
        let unsynced = |files: &Files| {
            files.write_beside()?;
            Err(io::Error::other("the directory could not be synced"))
        };
        let none = Files::read(&main).unwrap();
        let told = write_or_put_back(Which::Beside, &none.with_beside("# new"), &none, unsynced).unwrap_err();
        assert!(told.contains("nothing was changed"), "{told}");
        assert_eq!(Files::read(&main).unwrap().beside, None);
        let former = none.with_beside("# former");
        former.write_beside().unwrap();
        let told = write_or_put_back(Which::Beside, &none.with_beside("# new"), &former, unsynced).unwrap_err();
        assert!(told.contains("nothing was changed"), "{told}");
        assert_eq!(Files::read(&main).unwrap().beside(), Ok("# former"));
        let calls = std::cell::Cell::new(0);
        let once = |files: &Files| match calls.replace(calls.get() + 1) {
            0 => unsynced(files),
            _ => Err(io::Error::other("the disk is full")),
        };
        let told = write_or_put_back(Which::Beside, &none.with_beside("# new"), &former, once).unwrap_err();
        assert!(told.contains("could not be put back (the disk is full)"), "{told}");
    }

    #[test]
    fn a_file_that_is_too_long_or_no_text_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let long = File::create(folder.path().join("long")).unwrap();
        long.set_len(MASTER_FILE_OCTETS_MAX + 1).unwrap();
        let told = read_beneath(folder.path(), Path::new("long")).unwrap_err();
        assert_eq!(told, format!("it has more than {MASTER_FILE_OCTETS_MAX} octets"));
        fs::write(folder.path().join("bytes"), [0xff, 0xfe]).unwrap();
        assert!(read_beneath(folder.path(), Path::new("bytes")).unwrap_err().contains("UTF-8"));
    }
}
