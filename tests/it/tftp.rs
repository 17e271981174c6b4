//! Files by TFTP: clients of Debian read them, also large ones and over a wire that loses packets, and nothing else.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::leasehold::Leasehold;
use crate::netns::{Host, Lab};
use crate::process::{finish, succeed};

const SERVER: &str = "192.168.30.1";
const CONFIG: &str = "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\n\
                      [tftp]\nroot = \"/run/tftp\"\n";

/// A server with a root, and a client that has its address already.
struct Scene {
    lab: Lab,
    server: Host,
    client: Host,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        let (server, client) = (lab.host("server"), lab.host("client"));
        lab.cable(&server, "eth0", &client, "eth0");
        server.ip("address add 192.168.30.1/24 dev eth0");
        client.ip("address add 192.168.30.7/24 dev eth0");
        fs::create_dir_all(server.path("/run/tftp/boot")).unwrap();
        Self { lab, server, client }
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.server.path("/run/tftp").join(name), bytes).unwrap();
    }

    fn got(&self, name: &str) -> PathBuf {
        self.lab.directory().join(name)
    }

    /// `curl` of a path as it is written; what it says and what it got.
    fn curl(&self, path: &str, more: &[&str]) -> (Output, Vec<u8>) {
        let to = self.got("curl");
        let _ = fs::remove_file(&to);
        let url = format!("tftp://{SERVER}/{path}");
        let mut command = self.client.tool("curl");
        command.args(["-sS", "--path-as-is", "--max-time", "20"]).args(more).arg("-o").args([to.as_os_str()]).arg(url);
        (finish(&mut command), fs::read(&to).unwrap_or_default())
    }
}

/// Bytes that repeat nowhere near.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn three_clients_read_a_file_with_the_options_that_each_of_them_sends() {
    let scene = Scene::new();
    let file = bytes(300_000);
    scene.file("boot/kernel", &file);
    let mut daemon = Leasehold::start(&scene.server, CONFIG);

    let (_, got) = scene.curl("/boot/kernel", &["--tftp-blksize", "1400"]);
    assert!(got == file, "curl: {} bytes", got.len());

    let to = scene.got("hpa");
    succeed(scene.client.tool("tftp").args(["-m", "octet", SERVER, "-c", "get", "boot/kernel"]).arg(&to));
    assert!(fs::read(&to).unwrap() == file, "tftp-hpa");

    let to = scene.got("atftp");
    let options = ["--option", "blksize 1428", "--option", "windowsize 8", "--option", "tsize 0"];
    succeed(scene.client.tool("atftp").args(options).args(["-g", "-r", "boot/kernel", "-l"]).arg(&to).arg(SERVER));
    assert!(fs::read(&to).unwrap() == file, "atftp");

    let told = daemon.log();
    assert!(told.contains("192.168.30.7 has read boot/kernel: 300000 bytes"), "{told}");
    daemon.stop();
}

#[test]
fn a_file_of_more_than_65535_blocks_is_read_whole() {
    let scene = Scene::new();
    // Blocks of 512 bytes are numbered anew after 33,553,920.
    let file = bytes(35_000_000);
    scene.file("image", &file);
    let _daemon = Leasehold::start(&scene.server, CONFIG);
    let to = scene.got("image");
    succeed(scene.client.tool("tftp").args(["-m", "octet", SERVER, "-c", "get", "image"]).arg(&to));
    assert!(fs::read(&to).unwrap() == file, "{} bytes", fs::metadata(&to).unwrap().len());
}

#[test]
fn nothing_outside_of_the_root_is_read_and_nothing_is_written() {
    let scene = Scene::new();
    scene.file("menu", b"text\n");
    fs::write(scene.server.path("/run/secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret", scene.server.path("/run/tftp/link")).unwrap();
    std::os::unix::fs::symlink("/run/secret", scene.server.path("/run/tftp/absolute")).unwrap();
    let _daemon = Leasehold::start(&scene.server, CONFIG);

    assert_eq!(scene.curl("menu", &[]).1, b"text\n");
    // 69: "Permission problem on TFTP server", 68: "File not found on TFTP server".
    for (path, code) in
        [("../secret", 69), ("/boot/../../secret", 69), ("link", 69), ("absolute", 69), ("boot", 69), ("none", 68)]
    {
        let (output, got) = scene.curl(path, &[]);
        assert_eq!((output.status.code(), got.as_slice()), (Some(code), b"".as_slice()), "{path}: {output:?}");
    }
    let from = scene.got("written");
    fs::write(&from, "mine").unwrap();
    let mut put = scene.client.tool("curl");
    let output = finish(put.args(["-sS", "--max-time", "20", "-T"]).arg(&from).arg(format!("tftp://{SERVER}/menu")));
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(fs::read(scene.server.path("/run/tftp/menu")).unwrap(), b"text\n");
    assert!(!scene.server.path("/run/tftp/written").exists());
}

#[test]
fn a_wire_that_loses_every_ninth_packet_delays_a_file_and_does_not_change_it() {
    let scene = Scene::new();
    let file = bytes(40_000);
    scene.file("kernel", &file);
    let _daemon = Leasehold::start(&scene.server, CONFIG);
    let wire = LossyWire::new(&scene.client);
    let lost = thread::scope(|scope| {
        scope.spawn(|| wire.run_out());
        scope.spawn(|| wire.run_back());
        for (name, options) in [("plain", ["blksize 1428", "tsize 0"]), ("windowed", ["blksize 1428", "windowsize 6"])]
        {
            let to = scene.got(name);
            let options = options.iter().flat_map(|option| ["--option", option]);
            let mut client = scene.client.tool("timeout");
            client.args(["60", "atftp"]).args(options).args(["-g", "-r", "kernel", "-l"]).arg(&to);
            succeed(client.args(["127.0.0.1", &wire.port().to_string()]));
            assert!(fs::read(&to).unwrap() == file, "{name}");
        }
        wire.ended.store(true, Ordering::Relaxed);
        wire.lost.load(Ordering::Relaxed)
    });
    assert!(lost >= 4, "{lost} packets were lost");
}

/// Stands between a client on its host and the server, and passes eight of nine packets on, either way.
struct LossyWire {
    client_side: UdpSocket,
    server_side: UdpSocket,
    client: Mutex<Option<SocketAddr>>,
    /// The server's port for the transfer that runs.
    transfer_port: AtomicU16,
    seen: AtomicU32,
    lost: AtomicU32,
    ended: AtomicBool,
}

impl LossyWire {
    fn new(host: &Host) -> Self {
        let bind = |address: &str| {
            let socket = host.inside(|| UdpSocket::bind(address).unwrap());
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            socket
        };
        Self {
            client_side: bind("127.0.0.1:0"),
            server_side: bind("192.168.30.7:0"),
            client: Mutex::new(None),
            transfer_port: AtomicU16::new(69),
            seen: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            ended: AtomicBool::new(false),
        }
    }

    fn port(&self) -> u16 {
        self.client_side.local_addr().unwrap().port()
    }

    fn is_lost(&self) -> bool {
        let lost = self.seen.fetch_add(1, Ordering::Relaxed) % 9 == 5;
        self.lost.fetch_add(lost.into(), Ordering::Relaxed);
        lost
    }

    fn run_out(&self) {
        let mut buffer = [0; 2048];
        while !self.ended.load(Ordering::Relaxed) {
            let Ok((length, from)) = self.client_side.recv_from(&mut buffer) else { continue };
            let is_request = buffer[..2] == [0, 1];
            if is_request {
                *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
            }
            let port = if is_request { 69 } else { self.transfer_port.load(Ordering::Relaxed) };
            if !self.is_lost() {
                self.server_side.send_to(&buffer[..length], (SERVER, port)).unwrap();
            }
        }
    }

    fn run_back(&self) {
        let mut buffer = [0; 2048];
        while !self.ended.load(Ordering::Relaxed) {
            let Ok((length, from)) = self.server_side.recv_from(&mut buffer) else { continue };
            self.transfer_port.store(from.port(), Ordering::Relaxed);
            let client = *self.client.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(client) = client.filter(|_| !self.is_lost()) {
                self.client_side.send_to(&buffer[..length], client).unwrap();
            }
        }
    }
}

#[test]
fn a_root_that_is_not_there_and_a_port_that_is_used_are_told_in_plain_words() {
    let scene = Scene::new();
    let missing = CONFIG.replace("/run/tftp", "/run/nowhere");
    let mut daemon = Leasehold::prepare(&scene.server, &missing);
    daemon.launch();
    assert!(!daemon.process().wait_end(Duration::from_secs(20)).success());
    let told = daemon.log();
    assert!(told.contains("cannot open the TFTP root /run/nowhere: make the directory, or take [tftp] out"), "{told}");

    let _holder = scene.server.inside(|| UdpSocket::bind("192.168.30.1:69").unwrap());
    Leasehold::rewrite(&scene.server, CONFIG);
    daemon.launch();
    assert!(!daemon.process().wait_end(Duration::from_secs(20)).success());
    let told = daemon.log();
    assert!(told.contains("cannot serve TFTP on 192.168.30.1:69: the port is already used by "), "{told}");
}
