//! A daemon in this process, on loopback: what it gives back when it ends, and which end it tells.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::path::PathBuf;

use super::*;
use crate::demo::tell_story;

/// A directory and ports of its own.
struct Setting {
    directory: tempfile::TempDir,
    dhcp: SocketAddrV4,
    dns: SocketAddrV4,
}

impl Setting {
    fn new() -> Self {
        // Both at once, so that they differ; free from now on, unless somebody is very quick.
        let sockets = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [dhcp, dns] = sockets.map(|socket| match socket.local_addr().unwrap() {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(_) => panic!("not asked for"),
        });
        Self { directory: tempfile::tempdir().unwrap(), dhcp, dns }
    }

    fn control(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    async fn start(&self) -> anyhow::Result<Daemon> {
        let text = format!(
            "[server]\ninterfaces = [\"lo\"]\nserver_port = {}\nstore = {:?}\ncontrol = {:?}\n\
             [dns]\nlisten = [\"{}\"]\nforward = false\n\
             [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n\
             routers = [\"192.168.30.1\"]\ndomain = \"nasir.xyz\"\n[[zone]]\nname = \"nasir.xyz\"\n",
            self.dhcp.port(),
            self.directory.path().join("store"),
            self.control(),
            self.dns,
        );
        let no_secrets = |_: &std::path::Path| Err("none is named".to_owned());
        Daemon::start(config::check(&text, "test.toml", &no_secrets).unwrap().config).await
    }

    /// A client takes its lease and finds its name.
    async fn is_served(&self) -> bool {
        let mut told = Vec::new();
        tell_story(self.dhcp, SocketAddr::V4(self.dns), &mut told).await.unwrap().is_complete()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_ended_has_given_back_its_store_its_ports_and_its_socket() {
    let setting = Setting::new();
    for _ in 0..5 {
        let daemon = setting.start().await.unwrap();
        assert!(setting.is_served().await);
        let begun = Instant::now();
        daemon.stop().await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert!(!setting.control().exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_late_gives_everything_back_too() {
    let setting = Setting::new();
    std::fs::write(setting.control(), "somebody's file").unwrap();
    let Err(refused) = setting.start().await else { panic!("started") };
    assert!(refused.to_string().contains("is not a socket"), "{refused}");
    std::fs::remove_file(setting.control()).unwrap();
    let daemon = setting.start().await.unwrap();
    assert!(setting.is_served().await);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_any_part_is_told() {
    let setting = Setting::new();
    let mut daemon = setting.start().await.unwrap();
    assert!(timeout(Duration::from_millis(300), daemon.ended()).await.is_err(), "it serves");
    daemon.tasks.spawn("a part", async {});
    let Err(DaemonError::PartEnded(part)) = daemon.ended().await else { panic!("no end") };
    assert_eq!(part, "a part");
    daemon.stop().await;

    let mut daemon = setting.start().await.unwrap();
    daemon.running.committer.tell_to_stop().await;
    let Err(DaemonError::PartEnded(part)) = daemon.ended().await else { panic!("no end") };
    assert_eq!(part, "the committer");
    daemon.stop().await;
}
