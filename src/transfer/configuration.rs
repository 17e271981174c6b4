//! The files of a configuration in an export: the main one, and the one beside it that commands, the API and the page write.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

use anyhow::Context;
use config::beside::path_beside;

/// As the daemon's group may read it.
const MODE: u32 = 0o640;

/// The files of the configuration whose main file is `main`, the main one first, each with its name.
///
/// # Errors
/// One of them is there and cannot be read, or the main one is not there.
pub fn texts(main: &Path, with_secrets: bool) -> anyhow::Result<Vec<(String, String)>> {
    let unreadable = |file: &Path| format!("{} cannot be read", file.display());
    let beside = path_beside(main);
    let text = fs::read_to_string(main).with_context(|| unreadable(main))?;
    let mut files = vec![(name_of(main), text)];
    match fs::read_to_string(&beside) {
        Ok(text) => files.push((name_of(&beside), text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| unreadable(&beside)),
    }
    if !with_secrets {
        files.iter_mut().for_each(|(_, text)| *text = config::without_secrets(text));
    }
    Ok(files)
}

/// The files of the configuration whose main file is `main`, as these texts of them are in force, without their secrets.
#[must_use]
pub fn in_force(main: &Path, text: &str, beside: &str) -> Vec<(String, String)> {
    let mut files = vec![(name_of(main), config::without_secrets(text))];
    if !beside.is_empty() {
        files.push((name_of(&path_beside(main)), config::without_secrets(beside)));
    }
    files
}

fn name_of(file: &Path) -> String {
    file.file_name().map_or_else(|| "leasehold.toml".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Lays the files of an export down where there are none: as `main`, whatever its name was, and beside it. One that is there
/// is somebody's, and only told to differ; what comes to stand beside a main file was made for that one alone. What was
/// done, a line each.
///
/// # Errors
/// The disk.
pub fn lay_down(main: &Path, files: &[(String, Vec<u8>)]) -> anyhow::Result<Vec<String>> {
    let mut told = Vec::new();
    let mut of_configuration = files.iter().filter(|(name, _)| name != crate::devices::FILE);
    let Some((name, text)) = of_configuration.next() else { return Ok(told) };
    let beside_name = name_of(&path_beside(Path::new(name)));
    let their_beside = of_configuration.find(|(name, _)| *name == beside_name).map(|(_, text)| text);
    let ours = read(main)?;
    match &ours {
        Some(ours) if !is_same(ours, text) => told.push(format!(
            "the configuration {} is another than the one in the file, and is left as it is",
            main.display()
        )),
        Some(_) => {}
        None => {
            write(main, text)?;
            told.push(format!(
                "the configuration of the file is now {}: look at its interfaces and addresses, and fill in secrets left out",
                main.display()
            ));
        }
    }
    let Some(theirs) = their_beside else { return Ok(told) };
    let beside = path_beside(main);
    let shown = beside.display();
    match read(&beside)? {
        Some(own) if own == *theirs => {}
        Some(_) => told.push(format!("{shown} is another than {beside_name} in the file, and is left as it is")),
        None if ours.is_some_and(|ours| !is_same(&ours, text)) => told.push(format!(
            "{beside_name} of the file belongs to the configuration that was left out, and is left out with it: \
             reservations and records that were made by commands, the API or the page are not brought in"
        )),
        None => {
            write(&beside, theirs)?;
            told.push(format!("reservations and records made by commands, the API or the page are now in {shown}"));
        }
    }
    Ok(told)
}

/// Whether an export's text is that of a file here: with its secrets, or as exports leave them out.
fn is_same(ours: &[u8], theirs: &[u8]) -> bool {
    let without = || Some(config::without_secrets(std::str::from_utf8(ours).ok()?));
    ours == theirs || without().is_some_and(|ours| ours.as_bytes() == theirs)
}

fn read(file: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

fn write(file: &Path, text: &[u8]) -> anyhow::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || {
        let unfinished = file.with_extension("toml.new");
        // Left over, perhaps open to all; or a link, which the daemon's user may put there and root must not write through.
        _ = fs::remove_file(&unfinished);
        let mut out = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&unfinished)?;
        out.write_all(text)?;
        // Who may write there reads it too: the daemon's user, where root brings it in. Nobody else can give a file away, and
        // keeps it.
        let (made, owner) = (out.metadata()?, fs::metadata(directory)?);
        if made.uid() != owner.uid() {
            _ = fchown(&out, Some(owner.uid()), Some(owner.gid()));
        }
        out.sync_all()?;
        fs::rename(&unfinished, file)?;
        File::open(directory)?.sync_all()
    };
    written().with_context(|| format!("{} cannot be written", file.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn both_files_go_in_and_come_out_under_the_names_of_the_other_server() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let main = old.path().join("site.toml");
        fs::write(&main, "[[key]]\nname = \"k\"\nsecret = \"abc\"\n").unwrap();
        assert_eq!(texts(&main, true).unwrap().len(), 1, "there is none beside it");
        fs::write(old.path().join("site.local.toml"), "[[reservation]]\n").unwrap();
        let files = texts(&main, false).unwrap();
        let names: Vec<&str> = files.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(names, ["site.toml", "site.local.toml"]);
        assert!(!files[0].1.contains("abc"), "{}", files[0].1);
        let mut files: Vec<(String, Vec<u8>)> =
            files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        files.push((crate::devices::FILE.to_owned(), b"{}".to_vec()));
        let here = new.path().join("leasehold.toml");
        assert_eq!(lay_down(&here, &files).unwrap().len(), 2);
        assert_eq!(fs::read(&here).unwrap(), files[0].1);
        let beside = new.path().join("leasehold.local.toml");
        assert_eq!(fs::read(&beside).unwrap(), b"[[reservation]]\n");
        assert_eq!(lay_down(&here, &files).unwrap(), Vec::<String>::new(), "all of it is there");
        // A main file that is there already may give the same address to another.
        fs::write(&here, "# mine\n").unwrap();
        fs::remove_file(&beside).unwrap();
        let told = lay_down(&here, &files).unwrap().join("\n");
        assert!(told.contains("left as it is") && told.contains("are not brought in"), "{told}");
        assert!(!beside.exists() && fs::read(&here).unwrap() == b"# mine\n");
        // What an earlier version wrote has one file.
        let elsewhere = new.path().join("other.toml");
        assert_eq!(lay_down(&elsewhere, &files[..1]).unwrap().len(), 1);
        assert!(!new.path().join("other.local.toml").exists());
    }

    #[test]
    fn the_file_beside_comes_back_to_the_server_whose_secrets_the_export_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let main = directory.path().join("leasehold.toml");
        let beside = directory.path().join("leasehold.local.toml");
        fs::write(&main, "[[key]]\nname = \"k\"\nsecret = \"abc\"\n").unwrap();
        fs::write(&beside, "[[reservation]]\n").unwrap();
        let files = texts(&main, false).unwrap();
        let files: Vec<_> = files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        fs::remove_file(&beside).unwrap();
        let told = lay_down(&main, &files).unwrap().join("\n");
        assert!(told.contains("are now in") && !told.contains("left"), "{told}");
        assert_eq!(fs::read(&beside).unwrap(), b"[[reservation]]\n");
    }

    #[test]
    fn nothing_is_written_through_a_link_and_what_was_left_over_keeps_no_mode() {
        let directory = tempfile::tempdir().unwrap();
        let (file, victim) = (directory.path().join("leasehold.toml"), directory.path().join("passwd"));
        let unfinished = directory.path().join("leasehold.toml.new");
        fs::write(&victim, "root").unwrap();
        std::os::unix::fs::symlink(&victim, &unfinished).unwrap();
        write(&file, b"# new\n").unwrap();
        assert_eq!((fs::read(&victim).unwrap(), fs::read(&file).unwrap()), (b"root".to_vec(), b"# new\n".to_vec()));
        fs::write(&unfinished, "").unwrap();
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o666)).unwrap();
        write(&file, b"# newer\n").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o007, 0);
    }

    #[test]
    fn who_may_write_in_the_directory_of_another_brings_a_configuration_in() {
        let directory = tempfile::tempdir().unwrap();
        if !rustix::process::geteuid().is_root() {
            // Only root can make the directory of somebody else.
            return;
        }
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let file = directory.path().join("leasehold.toml");
        let written = std::thread::scope(|scope| {
            let as_nobody = || {
                let nobody = rustix::process::Uid::from_raw(65_534);
                // Of this thread alone.
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
                write(&file, b"# mine\n").map_err(|error| format!("{error:#}"))
            };
            scope.spawn(as_nobody).join().unwrap()
        });
        assert_eq!(written, Ok(()));
        assert_eq!(fs::metadata(&file).unwrap().uid(), 65_534);
    }
}
