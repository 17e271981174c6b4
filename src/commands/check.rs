//! `leasehold check FILE`, and with `--online` its DNS servers.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use config::{Checked, Config, Faults, ReadSecret};

use crate::tls::{CertificateSource, Identity};

mod online;

use super::terminal::has_colours;

/// The octets of one file that a master file includes.
const MASTER_FILE_OCTETS_MAX: u64 = 64 << 20;

/// Check a configuration file.
#[derive(Args, Debug)]
pub struct Check {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print faults and warnings as JSON.
    #[arg(long)]
    pub json: bool,
    /// Also ask each remote DNS server whether it serves the zone, knows the key and takes updates.
    #[arg(long, alias = "ask", conflicts_with = "json")]
    pub online: bool,
}

/// Runs it. The exit code is 0 when the file has no fault (warnings are none) and, when they are asked, every server is
/// ready; else 1.
///
/// # Errors
/// When the file cannot be read.
pub fn run(check: &Check) -> anyhow::Result<ExitCode> {
    let read = Text::read(&check.file)?;
    let checked = read.check();
    let (found, refused) = match &checked {
        Ok(checked) => (&checked.warnings, false),
        Err(faults) => (faults, true),
    };
    if check.json {
        println!("{}", serde_json::to_string_pretty(&found.to_json(&read.text))?);
    } else {
        print!("{}", config::render(found, &read.text, has_colours(&std::io::stdout())));
        let (faults, warnings) = found.count();
        println!("{}: {}", check.file.display(), counted(faults, warnings));
    }
    if let Ok(checked) = &checked
        && let Some(words) = certificate(&checked.config)
    {
        eprintln!("{words}");
        return Ok(ExitCode::FAILURE);
    }
    match checked {
        Ok(checked) if check.online => online::ask_servers(&checked.config.ddns),
        _ => Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
    }
}

/// What is wrong with the certificate that DNS is served with; what can be used all the same is logged.
fn certificate(config: &Config) -> Option<String> {
    let files = config.dns.encrypted.as_ref()?.certificate.clone()?;
    let source = CertificateSource::Files { certificate: files.certificate, key: files.key };
    Identity::load(source).err().map(|fault| format!("the certificate of [dns] cannot be shown: {fault}"))
}

fn counted(faults: usize, warnings: usize) -> String {
    let some = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match (faults, warnings) {
        (0, 0) => "no fault found".to_owned(),
        (0, warnings) => format!("no fault, {}", some(warnings, "warning")),
        (faults, 0) => some(faults, "fault"),
        (faults, warnings) => format!("{}, {}", some(faults, "fault"), some(warnings, "warning")),
    }
}

/// Reads and checks a file; warnings go to standard error at once, faults come back rendered.
///
/// # Errors
/// When the file cannot be read.
pub fn load(file: &Path) -> anyhow::Result<Result<Config, String>> {
    let read = Text::read(file)?;
    let colour = has_colours(&std::io::stderr());
    Ok(match read.check() {
        Ok(checked) => {
            if !checked.warnings.is_empty() {
                eprint!("{}", config::render(&checked.warnings, &read.text, colour));
            }
            Ok(checked.config)
        }
        Err(faults) => Err(config::render(&faults, &read.text, colour)),
    })
}

/// As [`load`], with the warnings drawn beside the configuration.
///
/// # Errors
/// When the file cannot be read.
pub fn load_told(file: &Path) -> anyhow::Result<Result<(Config, Option<String>), String>> {
    let read = Text::read(file)?;
    Ok(match read.check() {
        Ok(checked) => {
            let any = !checked.warnings.is_empty();
            let warnings = any.then(|| config::render(&checked.warnings, &read.text, false));
            Ok((checked.config, warnings))
        }
        Err(faults) => Err(config::render(&faults, &read.text, false)),
    })
}

/// A configuration file as it was read.
struct Text {
    name: String,
    directory: PathBuf,
    bytes: Vec<u8>,
    /// With what is not UTF-8 replaced, so that a fault can be drawn under its place.
    text: String,
}

impl Text {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let name = file.display().to_string();
        let bytes = std::fs::read(file).with_context(|| {
            format!("cannot read the configuration {name}: make sure that it exists and is readable")
        })?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let directory = file.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self { name, directory, bytes, text })
    }

    fn check(&self) -> Result<Checked, Faults> {
        let text = config::decode(&self.bytes, &self.name)?;
        config::check(text, &self.name, self)
    }
}

/// A relative path is relative to the file that names it.
impl ReadSecret for Text {
    fn read_secret(&self, path: &Path) -> Result<String, String> {
        std::fs::read_to_string(self.directory.join(path)).map_err(|error| error.to_string())
    }

    fn read_included(&self, within: &Path, path: &Path) -> Result<String, String> {
        read_beneath(&self.directory.join(within), path)
    }

    fn is_open_to_all(&self, path: &Path) -> bool {
        is_open_to_all(&self.directory.join(path))
    }

    fn has_kerberos(&self) -> bool {
        crate::kerberos::AVAILABLE
    }

    fn configuration_is_open_to_all(&self) -> bool {
        is_open_to_all(Path::new(&self.name))
    }
}

/// The text of a file at or beneath `directory`: a link does not lead out of it, since whoever may write a zone's file
/// need not be one who may read every other. Of at most [`MASTER_FILE_OCTETS_MAX`].
fn read_beneath(directory: &Path, path: &Path) -> Result<String, String> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let words = |error: std::io::Error| error.to_string();
    let root = directory.canonicalize().map_err(words)?;
    let real = root.join(path).canonicalize().map_err(words)?;
    if !real.starts_with(&root) {
        return Err(format!("it leads to {}, out of {}", real.display(), root.display()));
    }
    let mut text = String::new();
    let file = std::fs::File::open(&real).map_err(words)?;
    file.take(MASTER_FILE_OCTETS_MAX + 1).read_to_string(&mut text).map_err(words)?;
    if text.len() as u64 > MASTER_FILE_OCTETS_MAX {
        return Err(format!("it has more than {MASTER_FILE_OCTETS_MAX} octets"));
    }
    Ok(text)
}

/// The file's own mode: whether a directory above it keeps people out is not looked at, since it may be opened some day.
fn is_open_to_all(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
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
    fn a_file_that_is_too_long_or_no_text_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let long = fs::File::create(folder.path().join("long")).unwrap();
        long.set_len(MASTER_FILE_OCTETS_MAX + 1).unwrap();
        let told = read_beneath(folder.path(), Path::new("long")).unwrap_err();
        assert_eq!(told, format!("it has more than {MASTER_FILE_OCTETS_MAX} octets"));
        fs::write(folder.path().join("bytes"), [0xff, 0xfe]).unwrap();
        assert!(read_beneath(folder.path(), Path::new("bytes")).unwrap_err().contains("UTF-8"));
    }
}
