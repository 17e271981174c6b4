//! Memory that is used no more, given back to the system.
//!
//! What a start and a changed configuration need for a moment (text, maps, rows) is several times what stays, and what
//! stays is put between it. The C library keeps such gaps for later; of a zone of 100,000 names they are more than the zone.

/// Gives the system back whatever whole pages nobody uses. Takes some milliseconds with a large heap, in which whoever
/// wants memory waits: for the end of what is seldom done.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "a function of the C library, which takes no pointer and may be called at any time")]
pub fn give_back() {
    // Only whether anything was given back is returned.
    unsafe { nix::libc::malloc_trim(0) };
}

/// Other C libraries have no such function.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
