//! Memory that is used no more, given back to the system.
//!
//! What a start and a changed configuration need for a moment (text, maps, rows) is several times what stays, and what
//! stays is put between it. The C library keeps such gaps for later; of a zone of 100,000 names they are more than the zone.
//!
//! And it learns from what is large and short-lived, such as a segment of the journal that is written with zeros, or what a
//! file is read into: the next of that size comes from the heap of the thread that asks, and stays with it. Each such
//! thread then keeps some mebibytes of which nothing is used. [`keep_little`] has it learn nothing.

/// What is larger comes from the system and goes back there at once, in octets. No batch of messages is.
#[cfg(target_env = "gnu")]
const APART_FROM: nix::libc::c_int = 256 * 1024;
/// So much may be free at the end of a thread's heap before it goes back, in octets: enough that a busy thread does not ask
/// for the same pages again and again.
#[cfg(target_env = "gnu")]
const FREE_MAX: nix::libc::c_int = 512 * 1024;

/// Has the C library give large pieces back as soon as they are free, now and later; see the module. To be called before
/// there is a second thread.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "a function of the C library, which takes two numbers")]
pub fn keep_little() {
    // Either one alone would end the learning. What is refused stays as it was, which costs memory and nothing else.
    unsafe {
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, APART_FROM);
        nix::libc::mallopt(nix::libc::M_TRIM_THRESHOLD, FREE_MAX);
    }
}

/// Gives the system back whatever whole pages nobody uses. Takes some milliseconds with a large heap, in which whoever
/// wants memory waits: for the end of what is seldom done.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "a function of the C library, which takes no pointer and may be called at any time")]
pub fn give_back() {
    // Only whether anything was given back is returned.
    unsafe { nix::libc::malloc_trim(0) };
}

/// Other C libraries learn nothing of the kind.
#[cfg(not(target_env = "gnu"))]
pub fn keep_little() {}

/// Other C libraries have no such function.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn resident_kib() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// In the environment of a process that is there for one test, since the memory of others is counted with it.
    const ALONE: &str = "LEASEHOLD_MEMORY_ALONE";

    #[test]
    fn what_a_thread_needed_for_a_moment_does_not_stay_with_it() {
        const NAME: &str = "memory::tests::what_a_thread_needed_for_a_moment_does_not_stay_with_it";
        if std::env::var_os(ALONE).is_some() {
            return a_thread_needs_much();
        }
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        assert!(alone.args(["--exact", NAME, "--nocapture"]).env(ALONE, "1").status().unwrap().success());
    }

    fn a_thread_needs_much() {
        const PIECE: usize = 4 * 1024 * 1024;
        keep_little();
        let (told, ready) = std::sync::mpsc::channel();
        let (go, waits) = std::sync::mpsc::channel::<()>();
        let before = resident_kib();
        let thread = std::thread::spawn(move || {
            // The first is what the library would learn from. What is taken behind a piece keeps its end from being free.
            let mut small: Vec<Vec<u8>> = Vec::new();
            for _ in 0..8 {
                let large = std::hint::black_box(vec![1_u8; PIECE]);
                small.push(std::hint::black_box(vec![1; 64]));
                drop(large);
            }
            told.send(()).unwrap();
            _ = waits.recv();
            drop(small);
        });
        ready.recv().unwrap();
        let more = resident_kib().saturating_sub(before);
        drop(go);
        thread.join().unwrap();
        assert!(more < PIECE / 1024 / 2, "{more} KiB");
    }
}
