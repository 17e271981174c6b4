//! A certificate chain and its key: read from PEM files, or made by ourselves and kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore};

use super::{PROVIDER, TlsFault};

/// The longest file taken for certificates or a key, in octets. A chain has a few thousand.
const FILE_OCTETS_MAX: u64 = 1 << 20;
/// How long a certificate of our own lasts: what browsers accept of others.
const MADE_FOR: Duration = Duration::from_secs(397 * 86_400);
/// It begins a day ago, for clients whose clocks are behind.
const MADE_BEFORE: Duration = Duration::from_secs(86_400);
/// One of our own is made anew when so little is left of it; one of somebody else's is spoken of.
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 86_400);
/// And theirs when so little is left: whoever renews them by a program does it earlier.
const SPOKEN_OF_BEFORE: Duration = Duration::from_secs(7 * 86_400);
/// What the file of our own certificate is called.
const MADE_FILE: &str = "self-made.pem";

/// Where a server's certificate is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// PEM files, as certbot and openssl write them.
    Files {
        /// The server's certificate, and behind it those that lead to its authority.
        certificate: PathBuf,
        /// Its key; the same file where it holds both.
        key: PathBuf,
    },
    /// Signed by itself. Clients have to be told to trust it: by its fingerprint, or by the file that it is kept in.
    SelfMade {
        /// The directory that it is kept in, for us alone; made when it is not there.
        directory: PathBuf,
        /// The names and addresses that it is for. Missing ones make it anew, with the same key.
        names: Vec<String>,
    },
}

/// What was loaded.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) certified: CertifiedKey,
    /// From when until when it is good.
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
    /// What is wrong with it, though it can be used.
    pub(super) warnings: Vec<String>,
    /// It was made just now.
    pub(super) made: bool,
}

/// What a file is known by: one that changes has another. Empty for one that is not there.
pub(super) type Stamp = Vec<(u64, u64, i64, i64)>;

impl CertificateSource {
    /// The files it comes from.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Files { certificate, key } if certificate == key => vec![certificate.clone()],
            Self::Files { certificate, key } => vec![certificate.clone(), key.clone()],
            Self::SelfMade { directory, .. } => vec![directory.join(MADE_FILE)],
        }
    }

    /// As the files are now.
    pub(super) fn stamp(&self) -> Stamp {
        let files = self.files();
        let read = files.iter().filter_map(|path| fs::metadata(path).ok());
        read.map(|file| (file.ino(), file.size(), file.mtime(), file.mtime_nsec())).collect()
    }

    /// Reads it, or makes it where it is ours to make.
    pub(super) fn load(&self, now: SystemTime) -> Result<Loaded, TlsFault> {
        match self {
            Self::Files { certificate, key } => read(certificate, key, now),
            Self::SelfMade { directory, names } => read_or_make(directory, names, now),
        }
    }
}

fn read(certificate: &Path, key: &Path, now: SystemTime) -> Result<Loaded, TlsFault> {
    let chain_text = text_of(certificate)?;
    let key_text = if key == certificate { chain_text.clone() } else { text_of(key)? };
    let mut loaded = parse(&chain_text, &key_text, certificate, key)?;
    let mut warnings = Vec::new();
    let shown = certificate.display();
    if loaded.not_after <= now {
        let at = day(loaded.not_after);
        warnings.push(format!("the certificate in {shown} has expired on {at}: clients refuse it; renew it"));
    } else if loaded.not_after <= now + SPOKEN_OF_BEFORE {
        warnings.push(format!("the certificate in {shown} expires on {}: renew it", day(loaded.not_after)));
    }
    if loaded.not_before > now {
        let at = day(loaded.not_before);
        warnings.push(format!("the certificate in {shown} is good only from {at} on: is this machine's clock right?"));
    }
    // A key that others of its group read is common (ssl-cert); one that everybody reads is no key.
    if fs::metadata(key).is_ok_and(|file| file.permissions().mode() & 0o007 != 0) {
        let shown = key.display();
        warnings.push(format!("every user of this machine can read the key in {shown}: `chmod o= {shown}`"));
    }
    loaded.warnings = warnings;
    Ok(loaded)
}

fn text_of(path: &Path) -> Result<Vec<u8>, TlsFault> {
    let unreadable = |source: io::Error| TlsFault::Unreadable { path: path.to_owned(), source };
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_OCTETS_MAX + 1).read_to_end(&mut text)).map_err(unreadable)?;
    if text.len() as u64 > FILE_OCTETS_MAX {
        return Err(TlsFault::TooLong { path: path.to_owned(), octets_max: FILE_OCTETS_MAX });
    }
    Ok(text)
}

/// Chain and key, which must fit each other.
fn parse(chain_text: &[u8], key_text: &[u8], certificate: &Path, key: &Path) -> Result<Loaded, TlsFault> {
    let unusable = |path: &Path, why: String| TlsFault::Unusable { path: path.to_owned(), why };
    let read: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(chain_text).collect();
    let chain = read.map_err(|error| unusable(certificate, error.to_string()))?;
    let Some(first) = chain.first() else { return Err(TlsFault::NoCertificate(certificate.to_owned())) };
    let (not_before, not_after) = validity(first).map_err(|why| unusable(certificate, why))?;
    let is_encrypted = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
    };
    if is_encrypted(key_text) {
        return Err(TlsFault::EncryptedKey(key.to_owned()));
    }
    let private = match PrivateKeyDer::from_pem_slice(key_text) {
        Ok(private) => private,
        Err(rustls::pki_types::pem::Error::NoItemsFound) => return Err(TlsFault::NoKey(key.to_owned())),
        Err(error) => return Err(unusable(key, error.to_string())),
    };
    let certified = CertifiedKey::from_der(chain, private, &PROVIDER).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsFault::KeyOfAnother { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        error => unusable(key, error.to_string()),
    })?;
    Ok(Loaded { certified, not_before, not_after, warnings: Vec::new(), made: false })
}

/// From when until when a certificate is good. The library tells it only when it refuses one: so it is asked for the
/// beginning of time and for its end. It looks at the time before it looks for an authority, and there is none here.
fn validity(certificate: &CertificateDer<'_>) -> Result<(SystemTime, SystemTime), String> {
    let parsed = ParsedCertificate::try_from(certificate).map_err(|error| error.to_string())?;
    let at = |secs: u64| {
        let nobody = RootCertStore::empty();
        let algorithms = PROVIDER.signature_verification_algorithms.all;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(secs));
        verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], time, algorithms)
    };
    let time = |time: UnixTime| UNIX_EPOCH + Duration::from_secs(time.as_secs());
    let not_before = match at(0) {
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => time(not_before),
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { .. } | CertificateError::UnknownIssuer)) => {
            UNIX_EPOCH
        }
        other => return Err(format!("no time can be read in it: {other:?}")),
    };
    // Beyond the year 9999, the last that a certificate can say.
    match at(1 << 40) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Ok((not_before, time(not_after)))
        }
        other => Err(format!("no time can be read in it: {other:?}")),
    }
}

fn day(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(|_| "an unknown day".to_owned(), |time| time.strftime("%F").to_string())
}

/// The one that we have, while it lasts and is for all names; else another.
fn read_or_make(directory: &Path, names: &[String], now: SystemTime) -> Result<Loaded, TlsFault> {
    let path = directory.join(MADE_FILE);
    let kept = fs::read(&path).ok();
    if let Some(text) = &kept
        && let Ok(loaded) = parse(text, text, &path, &path)
        && loaded.not_before <= now
        && loaded.not_after > now + RENEWED_BEFORE
        && names.iter().all(|name| is_for(&loaded, name))
    {
        return Ok(loaded);
    }
    let not_made = |why: String| TlsFault::NotMade { path: directory.to_owned(), why };
    // Whoever trusts the key need not learn another one.
    let key = kept.and_then(|text| KeyPair::from_pem(&String::from_utf8_lossy(&text)).ok());
    let text = make(key, names, now).map_err(|error| not_made(error.to_string()))?;
    keep(directory, &path, &text).map_err(|error| not_made(error.to_string()))?;
    let loaded = parse(text.as_bytes(), text.as_bytes(), &path, &path)?;
    Ok(Loaded { made: true, ..loaded })
}

fn is_for(loaded: &Loaded, name: &str) -> bool {
    let Ok(name) = ServerName::try_from(name) else { return true };
    let Some(parsed) = loaded.certified.cert.first().and_then(|first| ParsedCertificate::try_from(first).ok()) else {
        return false;
    };
    rustls::client::verify_server_name(&parsed, &name).is_ok()
}

/// Certificate and key, in one text, so that they change together.
fn make(key: Option<KeyPair>, names: &[String], now: SystemTime) -> Result<String, rcgen::Error> {
    let key = key.map_or_else(KeyPair::generate, Ok)?;
    let usable = names.iter().filter(|name| ServerName::try_from(name.as_str()).is_ok());
    let mut params = CertificateParams::new(usable.cloned().collect::<Vec<String>>())?;
    // A machine without a battery may be in 1970.
    params.not_before = now.checked_sub(MADE_BEFORE).unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH).into();
    params.not_after = (now + MADE_FOR).into();
    params.distinguished_name.push(DnType::CommonName, "leasehold, signed by itself");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    // The key first: rcgen reads it from the head of the file.
    Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
}

/// Written beside and renamed, so that no half of it is ever read; for us alone.
fn keep(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    if !directory.is_dir() {
        fs::create_dir_all(directory)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    }
    let beside = path.with_extension("new");
    // What a crash has left there may have other rights.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(directory)?.sync_all()
}
