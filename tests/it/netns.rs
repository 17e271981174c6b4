//! A laboratory: hosts as network namespaces, links between them, and for every program a mount namespace in which
//! the directories that it writes to are the laboratory's own, so that nothing touches the machine.
//!
//! A [`Lab`] lives as long as its test. Its hosts are named `lh-<pid>-<n>-<host>`; what an earlier, killed run left
//! behind is recognised by a process id that is gone, and is removed before the first laboratory is built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::{Running, succeed};

/// What each host has for itself; an AppArmor profile still sees the usual paths.
const PRIVATE: [&str; 15] = [
    "/run",
    "/etc/bind",
    "/etc/dhcp",
    "/etc/kea",
    "/etc/knot",
    "/etc/powerdns",
    "/etc/systemd/network",
    "/var/cache/bind",
    "/var/lib/bind",
    "/var/lib/dhcp",
    "/var/lib/dhcpcd",
    "/var/lib/kea",
    "/var/lib/knot",
    "/var/lib/powerdns",
    "/var/log",
];

/// Lays the private directories over the machine's, then becomes the program.
/// `/sys` is read-only, which systemd-networkd takes for a container without udev: it then does not wait for it.
const ENTER: &str = r#"
lab=$1; private=$2; shift 2
names=$(readlink -m /etc/resolv.conf)
case $names in
    /run/*) mkdir -p "$lab${names%/*}" && : >> "$lab$names" ;;
    *) mount --bind "$lab/etc/resolv.conf" "$names" ;;
esac
for directory in $private; do
    if [ -d "$directory" ]; then mount --rbind "$lab$directory" "$directory" || exit 125; fi
done
mount -o remount,bind,ro /sys
exec "$@"
"#;

static SWEEP: Once = Once::new();
static NEXT: AtomicU32 = AtomicU32::new(0);
static MACHINE: RwLock<()> = RwLock::new(());

/// Tests that only wait share the machine; a test that measures or loads it has it alone.
#[expect(dead_code, reason = "held for its drop")]
enum Turn {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// One test's hosts and files; all are gone when it is dropped. A test makes one only (a second would wait for the
/// first when another test wants the machine for itself).
pub(crate) struct Lab {
    prefix: String,
    directory: PathBuf,
    namespaces: Mutex<Vec<String>>,
    _turn: Turn,
}

impl Lab {
    /// For a test that can run beside others.
    pub(crate) fn new() -> Self {
        Self::build(Turn::Shared(MACHINE.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// For a test that needs the machine for itself.
    pub(crate) fn alone() -> Self {
        Self::build(Turn::Alone(MACHINE.write().unwrap_or_else(PoisonError::into_inner)))
    }

    fn build(turn: Turn) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests build network namespaces and run real peers, which needs root: run ./test as root"
        );
        SWEEP.call_once(sweep_stale);
        let prefix = format!("lh-{}-{}-", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(prefix.trim_end_matches('-'));
        fs::create_dir_all(&directory).expect("a directory for the laboratory");
        Self { prefix, directory, namespaces: Mutex::new(Vec::new()), _turn: turn }
    }

    /// A directory for the test's own files.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A small file system (ext4 on a loop device) at one of the host's private directories.
    pub(crate) fn disk(&self, host: &Host, path: &str, mebibytes: u32) -> PathBuf {
        let image = self.directory.join(format!("{}.image", host.name));
        let place = host.path(path);
        fs::create_dir_all(&place).expect("a directory");
        succeed(Command::new("truncate").arg("-s").arg(format!("{mebibytes}M")).arg(&image));
        // Without blocks kept for root, who runs the daemon here.
        succeed(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image));
        succeed(Command::new("mount").args(["-o", "loop"]).args([&image, &place]));
        place
    }

    /// A host: a namespace with loopback up and no other interface.
    pub(crate) fn host(&self, name: &str) -> Host {
        let namespace = format!("{}{name}", self.prefix);
        succeed(ip().args(["netns", "add", &namespace]));
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).push(namespace.clone());
        let host = Host { name: name.to_owned(), namespace, directory: self.directory.join(name) };
        for private in PRIVATE {
            fs::create_dir_all(host.path(private)).expect("a private directory");
        }
        fs::write(host.path("/etc/resolv.conf"), "").expect("a private resolv.conf");
        host.ip("link set lo up");
        host
    }

    /// A cable between two interfaces, both up.
    pub(crate) fn cable(&self, a: &Host, a_interface: &str, b: &Host, b_interface: &str) {
        succeed(ip().args(["link", "add", "name", a_interface, "netns", &a.namespace, "type", "veth"]).args([
            "peer",
            "name",
            b_interface,
            "netns",
            &b.namespace,
        ]));
        // No router advertisement or duplicate address detection disturbs the link.
        for (host, interface) in [(a, a_interface), (b, b_interface)] {
            host.ip(&format!("link set dev {interface} addrgenmode none"));
            host.ip(&format!("link set dev {interface} up"));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            remove_namespace(&namespace);
        }
        remove_directory(&self.directory);
    }
}

/// One network namespace and its private files.
pub(crate) struct Host {
    name: String,
    namespace: String,
    directory: PathBuf,
}

impl Host {
    /// Where the host's private `path` (absolute, as its programs see it) is on this machine.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.join(path.trim_start_matches('/'))
    }

    /// Writes one of the host's private files.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a directory");
        }
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Runs `ip` with these words inside the host.
    pub(crate) fn ip(&self, words: &str) -> String {
        succeed(ip().args(["-n", &self.namespace]).args(words.split_whitespace()))
    }

    /// A program that sees the host's network and the host's private files.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = ip();
        command.args(["netns", "exec", &self.namespace, "unshare", "--uts", "sh", "-c", ENTER, "sh"]);
        command.arg(&self.directory).arg(PRIVATE.join(" ")).arg(program);
        command
    }

    /// A program that sees the host's network and the machine's files: a tool that only asks.
    pub(crate) fn tool(&self, program: &str) -> Command {
        let mut command = ip();
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }

    /// Starts a program that goes on running.
    pub(crate) fn start(&self, program: &str, arguments: &[&str]) -> Running {
        let short = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
        Running::start(&format!("{short} on {}", self.name), self.command(program).args(arguments))
    }

    /// Calls `work` in the host's network namespace: sockets that it opens stay there.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = fs::File::open(Path::new("/run/netns").join(&self.namespace)).expect("the namespace");
        // A thread of its own, as a namespace belongs to the thread that entered it.
        thread::scope(|scope| {
            let entered = scope.spawn(move || {
                setns(file, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
                work()
            });
            entered.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

fn ip() -> Command {
    Command::new("ip")
}

/// Ends what runs in the namespace, each by its process id, and removes it.
fn remove_namespace(namespace: &str) {
    if let Ok(pids) = ip().args(["netns", "pids", namespace]).output() {
        for pid in String::from_utf8_lossy(&pids.stdout).lines().filter_map(|line| line.trim().parse().ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    let _ = ip().args(["netns", "delete", namespace]).output();
}

/// Removes a laboratory's files, after the file systems that were mounted among them.
fn remove_directory(directory: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for place in mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new) {
        if place.starts_with(directory) {
            let _ = Command::new("umount").arg(place).output();
        }
    }
    let _ = fs::remove_dir_all(directory);
}

/// Removes what runs that no longer exist have left.
fn sweep_stale() {
    let is_stale = |name: &str| {
        let owner = name.strip_prefix("lh-").and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
    };
    let names = |directory: &Path| -> Vec<String> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| is_stale(name)).collect()
    };
    for namespace in names(Path::new("/run/netns")) {
        remove_namespace(&namespace);
    }
    let temporary = std::env::temp_dir();
    for directory in names(&temporary) {
        remove_directory(&temporary.join(directory));
    }
}
