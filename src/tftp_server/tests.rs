#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::symlink;

use super::files::Source;
use super::*;

/// A root with a file, and beside it what nobody may read.
fn directories() -> (tempfile::TempDir, Root) {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("root");
    std::fs::create_dir_all(root.join("boot")).unwrap();
    std::fs::write(root.join("boot/ipxe.efi"), "ipxe").unwrap();
    std::fs::write(outer.path().join("secret"), "secret").unwrap();
    let opened = Root::open(&root).unwrap();
    (outer, opened)
}

fn outcome(root: &Root, path: &str) -> String {
    match root.file(Path::new(path), Mode::Octet) {
        Ok(source) => {
            let mut bytes = Vec::new();
            source.read(0..source.length(), &mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        }
        Err(unavailable) => unavailable.to_string(),
    }
}

#[test]
fn files_and_links_below_the_root_are_read_and_nothing_else() {
    let (outer, root) = directories();
    let below = outer.path().join("root");
    symlink("ipxe.efi", below.join("boot/inside")).unwrap();
    symlink("../secret", below.join("relative")).unwrap();
    symlink(outer.path().join("secret"), below.join("absolute")).unwrap();
    symlink(outer.path(), below.join("directory")).unwrap();
    symlink("loop", below.join("loop")).unwrap();
    nix::unistd::mkfifo(&below.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (path, expected) in [
        ("boot/ipxe.efi", "ipxe"),
        ("boot/inside", "ipxe"),
        ("relative", "it is outside of the root"),
        ("absolute", "it is outside of the root"),
        ("directory/secret", "it is outside of the root"),
        ("loop", "it is outside of the root"),
        ("../secret", "it is outside of the root"),
        ("boot", "it is not a file"),
        ("pipe", "it is not a file"),
        ("missing", "no such file"),
        ("boot/ipxe.efi/x", "no such file"),
    ] {
        assert_eq!(outcome(&root, path), expected, "{path}");
    }
}

#[test]
fn text_is_rewritten_and_only_while_it_is_short() {
    let (outer, root) = directories();
    std::fs::write(outer.path().join("root/menu"), "a\nb\n").unwrap();
    let Ok(Source::Text(text)) = root.file(Path::new("menu"), Mode::Netascii) else { panic!("no text") };
    assert_eq!(text, b"a\r\nb\r\n");
    std::fs::File::create(outer.path().join("root/image")).unwrap().set_len(2 << 20).unwrap();
    let refused = root.file(Path::new("image"), Mode::Netascii).err().unwrap();
    assert!(matches!(refused, Unavailable::TooLongForText));
    assert_eq!(root.file(Path::new("image"), Mode::Octet).unwrap().length(), 2 << 20);
}

#[test]
fn a_root_that_is_not_there_is_told_with_its_mend() {
    let error = TftpServer::new(Path::new("/nonexistent/tftp"), Vec::new()).unwrap_err();
    let words = crate::words(&error);
    assert!(words.starts_with("cannot open the TFTP root /nonexistent/tftp: make the directory"), "{words}");
}

#[test]
fn transfers_are_limited_in_all_and_for_each_client_and_a_repeated_request_is_one() {
    let (outer, _) = directories();
    let server = TftpServer::new(&outer.path().join("root"), Vec::new()).unwrap();
    let here = "192.168.30.1:69".parse().unwrap();
    let client = |host: u8, port: u16| SocketAddr::from(([192, 168, 30, host], port));
    let take = |client| Place::take(&server.shared, client, here);
    let first = take(client(100, 2000)).unwrap();
    assert!(take(client(100, 2000)).is_none(), "it repeats its request");
    let mut held: Vec<Place> = (1..8).map(|port| take(client(100, 2000 + port)).unwrap()).collect();
    assert!(take(client(100, 3000)).is_none(), "one client has its share");
    for host in 101.. {
        if held.len() + 1 == TRANSFERS_MAX {
            break;
        }
        held.push(take(client(host, 2000)).unwrap());
        held.extend((1..TRANSFERS_PER_CLIENT_MAX as u16).map_while(|port| take(client(host, 2000 + port))));
    }
    assert!(take(client(99, 2000)).is_none(), "there are enough");
    drop(first);
    assert!(take(client(99, 2000)).is_some());
}

#[test]
fn only_the_subnets_and_this_machine_are_answered() {
    let (outer, _) = directories();
    let server = TftpServer::new(&outer.path().join("root"), vec!["192.168.30.0/24".parse().unwrap()]).unwrap();
    for (client, expected) in
        [("192.168.30.7", true), ("127.0.0.1", true), ("192.168.31.7", false), ("::1", true), ("2001:db8::1", false)]
    {
        assert_eq!(server.shared.is_allowed(client.parse().unwrap()), expected, "{client}");
    }
}
