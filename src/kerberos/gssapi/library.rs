//! The library as it is called from C (RFC 2744): its types, functions and constants, and the buffers that go in and out.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;

/// RFC 2744 section 3.2. The library does not write to what `value` points to where a buffer goes in.
#[repr(C)]
pub(super) struct Buffer {
    length: usize,
    value: *mut c_void,
}

#[repr(C)]
pub(super) struct Oid {
    length: u32,
    elements: *const c_void,
}

#[repr(C)]
pub(super) struct OidSet {
    pub(super) count: usize,
    pub(super) elements: *const Oid,
}

#[repr(C)]
pub(super) struct KeyValue {
    pub(super) key: *const c_char,
    pub(super) value: *const c_char,
}

#[repr(C)]
pub(super) struct KeyValueSet {
    pub(super) count: u32,
    pub(super) elements: *const KeyValue,
}

/// What is behind a handle of the library.
#[repr(C)]
pub(super) struct Opaque {
    _private: [u8; 0],
}

pub(super) type Handle = *mut Opaque;

#[link(name = "gssapi_krb5")]
unsafe extern "C" {
    pub(super) fn gss_import_name(minor: *mut u32, input: *const Buffer, kind: *const Oid, output: *mut Handle) -> u32;
    pub(super) fn gss_release_name(minor: *mut u32, name: *mut Handle) -> u32;
    pub(super) fn gss_acquire_cred_from(
        minor: *mut u32,
        name: Handle,
        time: u32,
        mechanisms: *const OidSet,
        usage: c_int,
        store: *const KeyValueSet,
        output: *mut Handle,
        actual: *mut c_void,
        time_received: *mut u32,
    ) -> u32;
    pub(super) fn gss_set_neg_mechs(minor: *mut u32, credential: Handle, mechanisms: *const OidSet) -> u32;
    pub(super) fn gss_release_cred(minor: *mut u32, credential: *mut Handle) -> u32;
    pub(super) fn gss_init_sec_context(
        minor: *mut u32,
        credential: Handle,
        context: *mut Handle,
        target: Handle,
        mechanism: *const Oid,
        flags: u32,
        time: u32,
        bindings: *const c_void,
        input: *const Buffer,
        actual: *mut c_void,
        output: *mut Buffer,
        flags_received: *mut u32,
        time_received: *mut u32,
    ) -> u32;
    pub(super) fn gss_accept_sec_context(
        minor: *mut u32,
        context: *mut Handle,
        credential: Handle,
        input: *const Buffer,
        bindings: *const c_void,
        source: *mut Handle,
        mechanism: *mut *const Oid,
        output: *mut Buffer,
        flags_received: *mut u32,
        time_received: *mut u32,
        delegated: *mut Handle,
    ) -> u32;
    pub(super) fn gss_display_name(minor: *mut u32, name: Handle, text: *mut Buffer, kind: *mut *const Oid) -> u32;
    pub(super) fn gss_delete_sec_context(minor: *mut u32, context: *mut Handle, token: *mut Buffer) -> u32;
    pub(super) fn gss_get_mic(
        minor: *mut u32,
        context: Handle,
        quality: u32,
        message: *const Buffer,
        token: *mut Buffer,
    ) -> u32;
    pub(super) fn gss_verify_mic(
        minor: *mut u32,
        context: Handle,
        message: *const Buffer,
        token: *const Buffer,
        quality: *mut u32,
    ) -> u32;
    pub(super) fn gss_context_time(minor: *mut u32, context: Handle, time: *mut u32) -> u32;
    pub(super) fn gss_display_status(
        minor: *mut u32,
        value: u32,
        kind: c_int,
        mechanism: *const Oid,
        more: *mut u32,
        text: *mut Buffer,
    ) -> u32;
    pub(super) fn gss_release_buffer(minor: *mut u32, buffer: *mut Buffer) -> u32;
}

#[link(name = "krb5")]
unsafe extern "C" {
    pub(super) fn krb5_init_context(context: *mut Handle) -> i32;
    pub(super) fn krb5_free_context(context: Handle);
    pub(super) fn krb5_cc_resolve(context: Handle, name: *const c_char, cache: *mut Handle) -> i32;
    pub(super) fn krb5_cc_destroy(context: Handle, cache: Handle) -> i32;
}

/// RFC 2744 section 3.9.1.
pub(super) const COMPLETE: u32 = 0;
pub(super) const CONTINUE_NEEDED: u32 = 1;
/// The errors of a status, without the supplementary bits such as "duplicate" in its lower half.
pub(super) const ERRORS: u32 = 0xffff_0000;
/// Supplementary: the token came before, or is too old for that to be known.
pub(super) const DUPLICATE: u32 = 1 << 1;
pub(super) const OLD: u32 = 1 << 2;
pub(super) const INITIATE: c_int = 1;
pub(super) const ACCEPT: c_int = 2;
pub(super) const STATUS_OF_LIBRARY: c_int = 1;
pub(super) const STATUS_OF_MECHANISM: c_int = 2;
/// RFC 3645 section 3.1.1 demands mutual authentication and detection of replays. Sequence is not asked for: several
/// updates are under way at once, and Windows does not like it.
pub(super) const FLAGS_DEMANDED: u32 = MUTUAL | REPLAY;
pub(super) const MUTUAL: u32 = 2;
pub(super) const REPLAY: u32 = 4;
pub(super) const INTEGRITY: u32 = 32;
pub(super) const INDEFINITE: u32 = u32::MAX;

/// 1.2.840.113554.1.2.2: Kerberos.
pub(super) const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
/// 1.3.6.1.5.5.2: SPNEGO, the only mechanism that Windows takes here.
pub(super) const SPNEGO: &[u8] = b"\x2b\x06\x01\x05\x05\x02";
/// 1.2.840.113554.1.2.2.1: the name of a Kerberos principal, realm included. The other form, `service@host`, would have
/// the library ask the DNS what the host is called.
pub(super) const PRINCIPAL: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01";

impl Oid {
    /// `octets` must live as long as it is used: they are constants everywhere.
    pub(super) fn of(octets: &'static [u8]) -> Self {
        Self { length: octets.len() as u32, elements: octets.as_ptr().cast() }
    }
}

impl Buffer {
    pub(super) const EMPTY: Self = Self { length: 0, value: null_mut() };

    /// Lends `octets` to a call that only reads them; to be used no longer than they live.
    pub(super) fn lent(octets: &[u8]) -> Self {
        Self { length: octets.len(), value: octets.as_ptr().cast_mut().cast() }
    }

    /// Takes what the library has put here.
    pub(super) fn take(mut self) -> Vec<u8> {
        let octets = if self.value.is_null() || self.length == 0 {
            Vec::new()
        } else {
            // SAFETY: the library filled both fields: `length` octets of its own are at `value`, until they are released
            // below. They are copied.
            unsafe { std::slice::from_raw_parts(self.value.cast::<u8>(), self.length) }.to_vec()
        };
        // SAFETY: the buffer is the library's own, or empty, which it takes too; it is not used afterwards.
        unsafe { gss_release_buffer(&mut 0, &mut self) };
        octets
    }
}
