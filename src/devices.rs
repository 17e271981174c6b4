//! Devices that nobody knew: which wait, and what was decided of them.
//!
//! Decisions are the file `devices.json` of the store's directory, replaced as a whole. Those who wait are only remembered
//! while the daemon runs: a device that still wants an address asks again within minutes.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use dhcp::devices::{DeviceVerdict, Devices};
use dhcp::identity::HardwareAddress;
use dhcp::message::{DropReason, Message};
use dhcp::options::code;
use dhcp::relay_info::{Switches, Whereabouts};
use serde::{Deserialize, Serialize};
use web::model::Device;
use web::{ETag, Feed, Refusal};

use crate::core::pipeline::Dropped;
use crate::history::views::hardware as read_hardware;
use crate::http::news::of_waiting_device;

/// The file of decisions.
pub const FILE: &str = "devices.json";
/// Devices that wait and are remembered; who was heard longest ago is forgotten first.
const WAITING_MAX: usize = 1_024;
/// Decisions that are kept: more than anybody makes by hand.
const DECIDED_MAX: usize = 100_000;

/// A decision as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Decided {
    hardware: String,
    /// `approved` or `denied`.
    verdict: String,
    /// UTC seconds.
    at: u64,
}

#[derive(Clone, Debug)]
struct Waiting {
    first_seen: u64,
    last_seen: u64,
    times: u64,
    hostname: String,
    vendor_class: String,
    interface: String,
    relay: Option<std::net::Ipv4Addr>,
    place: Option<String>,
}

/// What is to hold of a device for a decision about it to be made: asked with the version of what is decided of it and the word
/// for that, in the same step.
pub type DecisionGuard = Box<dyn FnOnce(&ETag, &str) -> Result<(), Refusal> + Send>;

/// A decision that was made.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What the engine needs to know.
    pub devices: Arc<Devices>,
    /// The version that it has led to.
    pub version: ETag,
}

/// See the module.
#[derive(Debug)]
pub struct DeviceDesk {
    /// Held from a decision until the engine knows of it, so that it hears of two in the order in which they were made.
    pub one_at_a_time: tokio::sync::Mutex<()>,
    path: PathBuf,
    switches: Arc<Switches>,
    feed: Arc<Feed>,
    state: Mutex<State>,
    /// Held while the file is written: whoever answers clients looks at the state meanwhile.
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    decided: BTreeMap<HardwareAddress, (DeviceVerdict, u64)>,
    waiting: BTreeMap<HardwareAddress, Waiting>,
}

impl DeviceDesk {
    /// Reads what was decided in the store in `store`.
    ///
    /// # Errors
    /// A file that cannot be read: nobody is served, or refused, by mistake.
    pub fn open(store: &Path, switches: Arc<Switches>, feed: Arc<Feed>) -> anyhow::Result<Self> {
        let path = store.join(FILE);
        let shown = || format!("what was decided of devices, {}, cannot be read", path.display());
        let list: Vec<Decided> = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(shown)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(shown),
        };
        let mut state = State::default();
        for one in list {
            let hardware = read_hardware(&one.hardware).with_context(shown)?;
            let verdict = match one.verdict.as_str() {
                "approved" => DeviceVerdict::Approved,
                "denied" => DeviceVerdict::Denied,
                other => return Err(anyhow::anyhow!("{other:?} is no verdict")).with_context(shown),
            };
            state.decided.insert(hardware, (verdict, one.at));
        }
        Ok(Self {
            one_at_a_time: tokio::sync::Mutex::default(),
            path,
            switches,
            feed,
            state: Mutex::new(state),
            writing: Mutex::default(),
        })
    }

    /// What the engine needs to know.
    #[must_use]
    pub fn devices(&self) -> Arc<Devices> {
        let state = self.lock();
        Arc::new(Devices(state.decided.iter().map(|(hardware, (verdict, _))| (*hardware, *verdict)).collect()))
    }

    /// A datagram got no answer; it counts when its sender waits, or was denied. `now` is UTC seconds.
    pub fn note(&self, dropped: &Dropped, now: u64) {
        if !matches!(dropped.reason, DropReason::WaitsForApproval | DropReason::DeviceDenied) {
            return;
        }
        let Ok(message) = Message::parse(&dropped.payload) else { return };
        let marks = message.options.get(code::RELAY_AGENT_INFORMATION).unwrap_or_default();
        let place = Whereabouts::read(&self.switches, message.giaddr, marks, &message.hardware);
        let text = |code| message.options.get(code).unwrap_or_default().escape_ascii().to_string();
        let heard = Waiting {
            first_seen: now,
            last_seen: now,
            times: 1,
            hostname: text(code::HOST_NAME),
            vendor_class: text(code::VENDOR_CLASS_IDENTIFIER),
            interface: dropped.link.name.clone(),
            relay: (!message.giaddr.is_unspecified()).then_some(message.giaddr),
            place: place.map(|place| place.to_string()),
        };
        let mut state = self.lock();
        let hardware = message.hardware;
        if let Some(known) = state.waiting.get_mut(&hardware) {
            *known = Waiting { first_seen: known.first_seen, times: known.times + 1, ..heard };
            return;
        }
        if state.waiting.len() >= WAITING_MAX {
            let oldest = state.waiting.iter().min_by_key(|(_, one)| one.last_seen).map(|(hardware, _)| *hardware);
            oldest.map(|oldest| state.waiting.remove(&oldest));
        }
        let told = (dropped.reason == DropReason::WaitsForApproval)
            .then(|| of_waiting_device(&hardware, &heard.hostname, heard.place.as_deref(), now));
        state.waiting.insert(hardware, heard);
        drop(state);
        self.feed.push(told);
    }

    /// Every device that waits or of which something was decided, those that wait first.
    #[must_use]
    pub fn list(&self) -> Vec<Device> {
        let state = self.lock();
        let undecided = state.waiting.keys().filter(|hardware| !state.decided.contains_key(hardware));
        undecided.chain(state.decided.keys()).map(|hardware| state.view(hardware)).collect()
    }

    /// One of those, with the version of what is decided of it.
    ///
    /// # Errors
    /// What is no hardware address; one that neither waits nor was decided about.
    pub fn device(&self, hardware: &str) -> Result<(ETag, Device), Refusal> {
        let address = address_of(hardware)?;
        let state = self.lock();
        if !state.waiting.contains_key(&address) && !state.decided.contains_key(&address) {
            return Err(Refusal::NotFound(format!("{address} does not wait, and nothing was decided of it")));
        }
        Ok((state.version(&address), state.view(&address)))
    }

    /// Decides: `approve`, `deny`, or `forget` what was decided. Returns when it is on the disk.
    ///
    /// # Errors
    /// What cannot be understood or written, and what `guard` says; nothing is changed then.
    pub fn decide(&self, hardware: &str, verdict: &str, now: u64, guard: DecisionGuard) -> Result<Decision, Refusal> {
        let address = address_of(hardware)?;
        let verdict = match verdict {
            "approve" => Some(DeviceVerdict::Approved),
            "deny" => Some(DeviceVerdict::Denied),
            "forget" => None,
            other => return Err(Refusal::Bad(format!("{other:?} is none of approve, deny and forget"))),
        };
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut decided = {
            let state = self.lock();
            guard(&state.version(&address), state.word(&address))?;
            state.decided.clone()
        };
        match verdict {
            Some(verdict) => _ = decided.insert(address, (verdict, now)),
            None => {
                let none = || Refusal::Bad(format!("nothing was decided of {address}"));
                decided.remove(&address).ok_or_else(none)?;
            }
        }
        if decided.len() > DECIDED_MAX {
            return Err(Refusal::Bad(format!("as many as {DECIDED_MAX} decisions are kept: forget some")));
        }
        let unwritten = |error| Refusal::Bad(format!("{} cannot be written: {error}", self.path.display()));
        write(&self.path, &decided).map_err(unwritten)?;
        let mut state = self.lock();
        state.decided = decided;
        if verdict == Some(DeviceVerdict::Approved) {
            state.waiting.remove(&address);
        }
        let version = state.version(&address);
        drop(state);
        Ok(Decision { devices: self.devices(), version })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is decided of a device, in a word; `waiting`: nothing.
    fn word(&self, hardware: &HardwareAddress) -> &'static str {
        match self.decided.get(hardware) {
            None => "waiting",
            Some((DeviceVerdict::Approved, _)) => "approved",
            Some((DeviceVerdict::Denied, _)) => "denied",
        }
    }

    /// The version of that: it does not change because the device asks again.
    fn version(&self, hardware: &HardwareAddress) -> ETag {
        ETag::of(&(self.word(hardware), self.decided.get(hardware).map(|(_, at)| *at)))
    }

    fn view(&self, hardware: &HardwareAddress) -> Device {
        let heard = self.waiting.get(hardware);
        Device {
            hardware: hardware.to_string(),
            state: self.word(hardware).to_owned(),
            decided_at: self.decided.get(hardware).map(|(_, at)| *at),
            first_seen: heard.map(|heard| heard.first_seen),
            last_seen: heard.map(|heard| heard.last_seen),
            times: heard.map_or(0, |heard| heard.times),
            hostname: heard.map(|heard| heard.hostname.clone()).unwrap_or_default(),
            vendor_class: heard.map(|heard| heard.vendor_class.clone()).unwrap_or_default(),
            interface: heard.map(|heard| heard.interface.clone()),
            relay: heard.and_then(|heard| heard.relay),
            place: heard.and_then(|heard| heard.place.clone()),
            version: self.version(hardware).to_string(),
        }
    }
}

fn address_of(hardware: &str) -> Result<HardwareAddress, Refusal> {
    let none = || Refusal::Bad(format!("{hardware:?} is no hardware address of six octets"));
    read_hardware(hardware).ok_or_else(none)
}

fn write(path: &Path, decided: &BTreeMap<HardwareAddress, (DeviceVerdict, u64)>) -> io::Result<()> {
    let word = |verdict: &DeviceVerdict| match verdict {
        DeviceVerdict::Approved => "approved",
        DeviceVerdict::Denied => "denied",
    };
    let one = |(hardware, (verdict, at)): (&HardwareAddress, &(DeviceVerdict, u64))| Decided {
        hardware: hardware.to_string(),
        verdict: word(verdict).to_owned(),
        at: *at,
    };
    let list: Vec<Decided> = decided.iter().map(one).collect();
    let unfinished = path.with_extension("json.new");
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&unfinished)?;
    serde_json::to_writer_pretty(&mut file, &list)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    let owner = fs::metadata(directory)?;
    if nix::unistd::Uid::effective().is_root() && owner.uid() != 0 {
        chown(&unfinished, Some(owner.uid()), Some(owner.gid()))?;
    }
    fs::rename(&unfinished, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn desk(store: &Path) -> DeviceDesk {
        DeviceDesk::open(store, Arc::default(), Arc::new(Feed::new("1".to_owned()))).unwrap()
    }

    /// However it stands.
    fn anyhow() -> DecisionGuard {
        Box::new(|_, _| Ok(()))
    }

    #[test]
    fn who_saw_an_older_decision_decides_nothing() {
        let store = tempfile::tempdir().unwrap();
        let desk = desk(store.path());
        let mac = "02:00:00:00:00:01";
        let upon = |seen: &ETag| -> DecisionGuard {
            let seen = seen.clone();
            Box::new(move |now, word| if *now == seen { Ok(()) } else { Err(Refusal::Changed(word.to_owned())) })
        };
        let undecided = ETag::of(&("waiting", None::<u64>));
        let approved = desk.decide(mac, "approve", 7, upon(&undecided)).unwrap().version;
        assert_eq!(desk.device(mac).unwrap().0, approved);
        assert_eq!(desk.list()[0].version, approved.to_string());
        let late = desk.decide(mac, "deny", 8, upon(&undecided)).unwrap_err();
        assert_eq!(late, Refusal::Changed("approved".to_owned()));
        assert_eq!(DeviceDesk::devices(&desk).0.values().collect::<Vec<_>>(), [&DeviceVerdict::Approved]);
        let forgotten = desk.decide(mac, "forget", 9, upon(&approved)).unwrap().version;
        assert_eq!(forgotten, undecided, "it is as it was");
        assert!(matches!(desk.device(mac), Err(Refusal::NotFound(_))));
    }

    #[test]
    fn what_was_decided_is_there_after_a_restart() {
        let store = tempfile::tempdir().unwrap();
        let first = desk(store.path());
        first.decide("02:00:00:00:00:01", "approve", 7, anyhow()).unwrap();
        first.decide("02-00-00-00-00-02", "deny", 8, anyhow()).unwrap();
        first.decide("02:00:00:00:00:03", "deny", 9, anyhow()).unwrap();
        first.decide("02:00:00:00:00:03", "forget", 9, anyhow()).unwrap();
        let again = desk(store.path());
        let told: Vec<(String, String)> = again.list().into_iter().map(|one| (one.hardware, one.state)).collect();
        let expected = [("02:00:00:00:00:01", "approved"), ("02:00:00:00:00:02", "denied")];
        assert_eq!(told, expected.map(|(hardware, state)| (hardware.to_owned(), state.to_owned())));
        assert_eq!(again.devices(), first.devices());
        assert!(again.decide("printer", "approve", 1, anyhow()).is_err());
        assert!(again.decide("02:00:00:00:00:09", "forget", 1, anyhow()).is_err());
        fs::write(store.path().join(FILE), "[{").unwrap();
        assert!(DeviceDesk::open(store.path(), Arc::default(), Arc::new(Feed::new("1".to_owned()))).is_err());
    }
}
