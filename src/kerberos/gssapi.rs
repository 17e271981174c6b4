//! The system's GSSAPI library (MIT Kerberos): the few functions that GSS-TSIG needs of it.
//!
//! All that is unsafe about Kerberos stands here: `library` is what is called, and here are values that own what it gave out.
//! What the rest of the program sees of these are an [`Initiator`] and [`Accepting`], the two sides of a negotiation, and an
//! [`Established`] for what came of it.
//!
//! Bound by hand: the crates that bind it (libgssapi, cross-krb5) generate their bindings with libclang at each build, and
//! neither reaches `gss_acquire_cred_from`, without which the keytab could only be named in the environment of the whole
//! process.
#![allow(unsafe_code, reason = "a C library is called; each block says why it may be")]

mod library;

use std::ffi::{CString, c_int};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::library::{
    ACCEPT, Buffer, COMPLETE, CONTINUE_NEEDED, DUPLICATE, ERRORS, FLAGS_DEMANDED, Handle, INDEFINITE, INITIATE,
    INTEGRITY, KERBEROS, KeyValue, KeyValueSet, OLD, Oid, OidSet, PRINCIPAL, SPNEGO, STATUS_OF_LIBRARY,
    STATUS_OF_MECHANISM, gss_accept_sec_context, gss_acquire_cred_from, gss_context_time, gss_delete_sec_context,
    gss_display_name, gss_display_status, gss_get_mic, gss_import_name, gss_init_sec_context, gss_release_cred,
    gss_release_name, gss_set_neg_mechs, gss_verify_mic, krb5_cc_destroy, krb5_cc_resolve, krb5_free_context,
    krb5_init_context,
};

/// What the library says of a failure, in its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure(pub(super) String);

impl Failure {
    fn of(major: u32, minor: u32) -> Self {
        let general = status(major, STATUS_OF_LIBRARY);
        let special = if minor == 0 { String::new() } else { status(minor, STATUS_OF_MECHANISM) };
        let (general, special) = (general.trim(), special.trim());
        Self(if special.is_empty() { general.to_owned() } else { format!("{special} ({general})") })
    }
}

fn status(value: u32, kind: c_int) -> String {
    let mechanism = Oid::of(KERBEROS);
    let mut text = Buffer::EMPTY;
    let mut more = 0;
    // SAFETY: all pointers are to values that outlive the call; `text` is taken over from the library.
    unsafe { gss_display_status(&mut 0, value, kind, &mechanism, &mut more, &mut text) };
    String::from_utf8_lossy(&text.take()).into_owned()
}

fn check(major: u32, minor: u32) -> Result<(), Failure> {
    if major & ERRORS == 0 { Ok(()) } else { Err(Failure::of(major, minor)) }
}

/// A principal's name.
struct Name(Handle);

impl Name {
    fn of(principal: &str) -> Result<Self, Failure> {
        let (kind, mut handle, mut minor) = (Oid::of(PRINCIPAL), null_mut(), 0);
        // SAFETY: the buffer is read during the call only, and `principal` outlives it.
        let major = unsafe { gss_import_name(&mut minor, &Buffer::lent(principal.as_bytes()), &kind, &mut handle) };
        check(major, minor).map(|()| Self(handle))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // SAFETY: the handle came from the library, or is null, which it takes too, and nobody else has it.
        unsafe { gss_release_name(&mut 0, &mut self.0) };
    }
}

/// A ticket cache in memory, for one negotiation: the next one asks the KDC anew, with what the keytab then holds.
struct Cache(CString);

impl Cache {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let text = format!("MEMORY:leasehold-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        // A number holds no zero octet.
        Self(CString::new(text).unwrap_or_default())
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let (mut context, mut cache) = (null_mut(), null_mut());
        // SAFETY: each handle is used only after the call that made it has said 0; krb5_cc_destroy also frees the cache's
        // handle. The credential that used this cache is released before: it stands before the cache in `Initiator`.
        unsafe {
            if krb5_init_context(&mut context) != 0 {
                return;
            }
            if krb5_cc_resolve(context, self.0.as_ptr(), &mut cache) == 0 {
                krb5_cc_destroy(context, cache);
            }
            krb5_free_context(context);
        }
    }
}

struct Credential(Handle);

impl Credential {
    /// Of the keytab's key for the principal, for use by this mechanism. Tickets are asked for by the library when they are
    /// needed.
    fn of(name: &Name, keytab: &Path, cache: &Cache, mechanism: &'static [u8]) -> Result<Self, Failure> {
        let path = CString::new(format!("FILE:{}", keytab.display()))
            .map_err(|_| Failure("the keytab's path holds a zero octet".to_owned()))?;
        let elements = [
            KeyValue { key: c"client_keytab".as_ptr(), value: path.as_ptr() },
            KeyValue { key: c"ccache".as_ptr(), value: cache.0.as_ptr() },
        ];
        let store = KeyValueSet { count: 2, elements: elements.as_ptr() };
        let mechanism = Oid::of(mechanism);
        let wanted = OidSet { count: 1, elements: &mechanism };
        let (mut handle, mut minor) = (null_mut(), 0);
        // SAFETY: every pointer is null where the library takes null, or to a value that outlives the call; the library
        // copies what it keeps.
        let major = unsafe {
            gss_acquire_cred_from(
                &mut minor,
                name.0,
                INDEFINITE,
                &wanted,
                INITIATE,
                &store,
                &mut handle,
                null_mut(),
                null_mut(),
            )
        };
        check(major, minor).map(|()| Self(handle))
    }

    /// Of every service whose key the keytab holds, for clients that come with tickets for it, by SPNEGO or by Kerberos
    /// alone.
    fn accepting(keytab: &Path) -> Result<Self, Failure> {
        let path = CString::new(format!("FILE:{}", keytab.display()))
            .map_err(|_| Failure("the keytab's path holds a zero octet".to_owned()))?;
        let elements = [KeyValue { key: c"keytab".as_ptr(), value: path.as_ptr() }];
        let store = KeyValueSet { count: 1, elements: elements.as_ptr() };
        let mechanisms = [Oid::of(KERBEROS), Oid::of(SPNEGO)];
        let wanted = OidSet { count: 2, elements: mechanisms.as_ptr() };
        let (mut handle, mut minor) = (null_mut(), 0);
        // SAFETY: every pointer is null where the library takes null (no name: any of the keytab's), or to a value that
        // outlives the call; the library copies what it keeps.
        let major = unsafe {
            gss_acquire_cred_from(
                &mut minor,
                null_mut(),
                INDEFINITE,
                &wanted,
                ACCEPT,
                &store,
                &mut handle,
                null_mut(),
                null_mut(),
            )
        };
        check(major, minor).map(|()| Self(handle))
    }

    /// SPNEGO may offer nothing but Kerberos.
    fn restricted(self) -> Result<Self, Failure> {
        let (kerberos, mut minor) = (Oid::of(KERBEROS), 0);
        let offered = OidSet { count: 1, elements: &kerberos };
        // SAFETY: the handle is this credential's; the set outlives the call, which copies it.
        let major = unsafe { gss_set_neg_mechs(&mut minor, self.0, &offered) };
        check(major, minor).map(|()| self)
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        // SAFETY: the handle came from gss_acquire_cred_from and nobody else has it.
        unsafe { gss_release_cred(&mut 0, &mut self.0) };
    }
}

/// A security context, complete or on the way to it.
struct Context(Handle);

// SAFETY: the library's contexts belong to no thread; one thread at a time uses this one, since whoever shares it has it
// behind a lock.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the handle came from gss_init_sec_context and nobody else has it; no token is asked for.
            unsafe { gss_delete_sec_context(&mut 0, &mut self.0, null_mut()) };
        }
    }
}

/// Our side of a negotiation.
pub(super) struct Initiator {
    context: Context,
    credential: Credential,
    target: Name,
    /// After the credential, so that it is destroyed after it.
    _cache: Cache,
}

// SAFETY: names and credentials of the library belong to no thread either, and an `Initiator` is one owner's.
unsafe impl Send for Initiator {}

/// What a step has led to.
pub(super) enum Step {
    /// To be sent, and answered.
    Token(Vec<u8>),
    /// Both sides are sure of each other. A token is left for the other side, perhaps.
    Done(Established, Vec<u8>),
}

impl Initiator {
    /// For `principal`, with its key in `keytab`, to the service `target`; both with their realms. Asks the KDC for the
    /// tickets, and waits for it; the DNS server hears nothing yet.
    pub(super) fn new(principal: &str, keytab: &Path, target: &str) -> Result<Self, Failure> {
        let cache = Cache::new();
        let (name, target) = (Name::of(principal)?, Name::of(target)?);
        // A first step by Kerberos alone, whose token is not used. It brings the tickets into the cache, and says what
        // keeps it from it; SPNEGO would only say that it has no mechanism.
        let plain = Credential::of(&name, keytab, &cache, KERBEROS)?;
        init(&mut Context(null_mut()), &plain, &target, KERBEROS, None)?;
        drop(plain);
        let credential = Credential::of(&name, keytab, &cache, SPNEGO)?.restricted()?;
        Ok(Self { context: Context(null_mut()), credential, target, _cache: cache })
    }

    /// Takes the other side's token, none at first. The value itself comes back while there is more to do.
    pub(super) fn step(mut self, token: Option<&[u8]>) -> Result<(Option<Self>, Step), Failure> {
        let told = init(&mut self.context, &self.credential, &self.target, SPNEGO, token)?;
        if told.goes_on {
            return Ok((Some(self), Step::Token(told.token)));
        }
        // RFC 3645 section 3.1.1: without these the client "MUST" abandon it.
        if told.flags & FLAGS_DEMANDED != FLAGS_DEMANDED {
            return Err(Failure("the context proves not who the server is, or detects no replays".to_owned()));
        }
        Ok((None, Step::Done(Established(self.context), told.token)))
    }
}

/// What one call has led to.
struct Told {
    token: Vec<u8>,
    flags: u32,
    /// The other side has to answer the token.
    goes_on: bool,
}

fn init(
    context: &mut Context,
    credential: &Credential,
    target: &Name,
    mechanism: &'static [u8],
    token: Option<&[u8]>,
) -> Result<Told, Failure> {
    let mechanism = Oid::of(mechanism);
    let input = token.map(Buffer::lent);
    let (mut minor, mut output, mut flags) = (0, Buffer::EMPTY, 0);
    // SAFETY: the handles are those of values that outlive the call; `context` is null or what the former step left there,
    // as the call wants it, and `&mut` keeps others away. The input outlives the call, and the output is taken over.
    let major = unsafe {
        gss_init_sec_context(
            &mut minor,
            credential.0,
            &mut context.0,
            target.0,
            &mechanism,
            FLAGS_DEMANDED | INTEGRITY,
            0,
            null(),
            input.as_ref().map_or(null(), std::ptr::from_ref),
            null_mut(),
            &mut output,
            &mut flags,
            null_mut(),
        )
    };
    // Taken over whatever was said: a failure can come with a token.
    let token = output.take();
    check(major, minor)?;
    Ok(Told { token, flags, goes_on: major & CONTINUE_NEEDED != 0 })
}

/// The other side of negotiations: a server's.
pub(super) struct Accepting(Credential);

// SAFETY: credentials of the library belong to no thread, and the library locks one itself while it is used: several
// negotiations may go on with one.
unsafe impl Send for Accepting {}
// SAFETY: as above.
unsafe impl Sync for Accepting {}

/// A negotiation that a client goes on with.
pub(super) struct Half(Context);

/// What a client's token has led to.
pub(super) enum Taken {
    /// The client goes on with this token.
    GoesOn(Half, Vec<u8>),
    /// Both sides are sure of each other.
    Complete {
        context: Established,
        /// Who the client is, with the realm.
        principal: String,
        /// For the client, perhaps empty.
        token: Vec<u8>,
    },
}

impl Accepting {
    pub(super) fn new(keytab: &Path) -> Result<Self, Failure> {
        Credential::accepting(keytab).map(Self)
    }

    /// Takes a client's token, the first of a negotiation or the next of one that goes on.
    pub(super) fn step(&self, half: Option<Half>, token: &[u8]) -> Result<Taken, Failure> {
        let mut context = half.map_or(Context(null_mut()), |half| half.0);
        let (mut minor, mut output, mut flags) = (0, Buffer::EMPTY, 0);
        let mut source = Name(null_mut());
        // SAFETY: `context` is null or what the former step left there, and this value's own; the credential and the input
        // outlive the call; the client's name and the output are taken over; null is taken for what is not asked for.
        let major = unsafe {
            gss_accept_sec_context(
                &mut minor,
                &mut context.0,
                self.0.0,
                &Buffer::lent(token),
                null(),
                &mut source.0,
                null_mut(),
                &mut output,
                &mut flags,
                null_mut(),
                null_mut(),
            )
        };
        // Taken over whatever was said: a failure can come with a token.
        let token = output.take();
        check(major, minor)?;
        if major & CONTINUE_NEEDED != 0 {
            return Ok(Taken::GoesOn(Half(context), token));
        }
        if flags & INTEGRITY == 0 {
            return Err(Failure("the context can sign nothing".to_owned()));
        }
        let principal = source.shown()?;
        Ok(Taken::Complete { context: Established(context), principal, token })
    }
}

impl Name {
    /// As people write it: of a Kerberos principal with the realm.
    fn shown(&self) -> Result<String, Failure> {
        let (mut minor, mut text) = (0, Buffer::EMPTY);
        // SAFETY: the handle is this name's, which the library gave out; the text is taken over, its kind not asked for.
        let major = unsafe { gss_display_name(&mut minor, self.0, &mut text, null_mut()) };
        let text = text.take();
        check(major, minor)?;
        String::from_utf8(text).map_err(|_| Failure("the principal's name is no text".to_owned()))
    }
}

/// A complete context.
pub(super) struct Established(Context);

impl Established {
    /// For how long it is good yet; `None`: it has expired.
    pub(super) fn left(&self) -> Option<Duration> {
        let (mut minor, mut secs) = (0, 0);
        // SAFETY: the handle is a complete context's, and this value's own.
        let major = unsafe { gss_context_time(&mut minor, self.0.0, &mut secs) };
        (major == COMPLETE && secs > 0).then(|| Duration::from_secs(secs.into()))
    }

    /// The token that signs `octets`.
    pub(super) fn sign(&mut self, octets: &[u8]) -> Result<Vec<u8>, Failure> {
        let (mut minor, mut token) = (0, Buffer::EMPTY);
        // SAFETY: the handle is a complete context's, used by nobody else meanwhile (`&mut`); the message outlives the call,
        // and the token is taken over.
        let major = unsafe { gss_get_mic(&mut minor, self.0.0, 0, &Buffer::lent(octets), &mut token) };
        let token = token.take();
        check(major, minor).map(|()| token)
    }

    /// Whether `token` signs `octets`, and comes for the first time.
    pub(super) fn verifies(&mut self, octets: &[u8], token: &[u8]) -> bool {
        let (message, token) = (Buffer::lent(octets), Buffer::lent(token));
        // SAFETY: as for `sign`; both buffers outlive the call, which only reads them.
        let major = unsafe { gss_verify_mic(&mut 0, self.0.0, &message, &token, null_mut()) };
        major & ERRORS == 0 && major & (DUPLICATE | OLD) == 0
    }
}
