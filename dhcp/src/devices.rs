//! Devices that nobody knew, and what somebody decided of them.

use std::collections::BTreeMap;

use crate::identity::HardwareAddress;

/// What is done with clients of a subnet that are not known: those without a record of a lease here, a reservation or an
/// approval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownClients {
    /// They are served as all others.
    #[default]
    Serve,
    /// They get no address until somebody approves of them.
    Wait,
}

/// What was decided of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceVerdict {
    /// It is served.
    Approved,
    /// It gets no address where unknown devices wait, whatever it had before.
    Denied,
}

/// What was decided, by hardware address. Immutable: a decision makes new ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices(pub BTreeMap<HardwareAddress, DeviceVerdict>);

impl Devices {
    /// What was decided of a device.
    #[must_use]
    pub fn verdict(&self, hardware: &HardwareAddress) -> Option<DeviceVerdict> {
        self.0.get(hardware).copied()
    }
}
