//! What real clients send, composed field by field after their sources and captures of them.

use std::net::Ipv4Addr;

use crate::message::{COOKIE, MAGIC_COOKIE};

/// A client's message: what differs from client to client. Bytes are made by [`Packet::bytes`].
#[derive(Clone, Copy)]
pub(crate) struct Packet {
    pub(crate) xid: u32,
    pub(crate) secs: u16,
    pub(crate) flags: u16,
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) chaddr: [u8; 6],
    /// The options field, END included where the client sends one.
    pub(crate) options: &'static [u8],
    /// The client pads to this many bytes with zeros.
    pub(crate) padded_to: usize,
}

impl Packet {
    const DEFAULT: Self = Self {
        xid: 0x3903_F326,
        secs: 0,
        flags: 0,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        chaddr: [0x02, 0x42, 0xAC, 0x11, 0x00, 0x02],
        options: &[],
        padded_to: 300,
    };

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 240];
        bytes[..3].copy_from_slice(&[1, 1, 6]);
        bytes[4..8].copy_from_slice(&self.xid.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.secs.to_be_bytes());
        bytes[10..12].copy_from_slice(&self.flags.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.ciaddr.octets());
        bytes[28..34].copy_from_slice(&self.chaddr);
        bytes[COOKIE].copy_from_slice(&MAGIC_COOKIE);
        bytes.extend_from_slice(self.options);
        bytes.resize(bytes.len().max(self.padded_to), 0);
        bytes
    }
}

/// Windows 10 and 11: class `MSFT 5.0`, the name in upper case, routes also by the old 249.
pub(crate) const WINDOWS_DISCOVER: Packet = Packet {
    options: b"\x35\x01\x01\x3D\x07\x01\x02\x42\xAC\x11\x00\x02\x0C\x0FDESKTOP-4F7QK2B\x3C\x08MSFT 5.0\
        \x37\x0E\x01\x03\x06\x0F\x1F\x21\x2B\x2C\x2E\x2F\x77\x79\xF9\xFC\xFF",
    ..Packet::DEFAULT
};

/// The same client's REQUEST: option 81 with no flag at all, its name in ASCII (RFC 4702 section 2.3.1 deprecates it).
pub(crate) const WINDOWS_REQUEST: Packet = Packet {
    options: b"\x35\x01\x03\x3D\x07\x01\x02\x42\xAC\x11\x00\x02\x32\x04\xC0\xA8\x1E\x64\x36\x04\xC0\xA8\x1E\x01\
        \x0C\x0FDESKTOP-4F7QK2B\x51\x12\x00\x00\x00DESKTOP-4F7QK2B\x3C\x08MSFT 5.0\
        \x37\x0E\x01\x03\x06\x0F\x1F\x21\x2B\x2C\x2E\x2F\x77\x79\xF9\xFC\xFF",
    ..Packet::DEFAULT
};

/// iOS: asks for 108 (RFC 8925) and 114, and for a lease of 90 days.
pub(crate) const IPHONE_DISCOVER: Packet = Packet {
    secs: 1,
    options: b"\x35\x01\x01\x37\x09\x01\x79\x03\x06\x0F\x6C\x72\x77\xFC\x39\x02\x05\xDC\
        \x3D\x07\x01\x02\x42\xAC\x11\x00\x02\x33\x04\x00\x76\xA7\x00\x0C\x06iPhone\xFF",
    ..Packet::DEFAULT
};

/// Android 14: rapid commit, and no host name.
pub(crate) const ANDROID_DISCOVER: Packet = Packet {
    options: b"\x35\x01\x01\x3D\x07\x01\x02\x42\xAC\x11\x00\x02\x50\x00\x39\x02\x05\xDC\x3C\x0Fandroid-dhcp-14\
        \x37\x0C\x01\x03\x06\x0F\x1A\x1C\x33\x3A\x3B\x2B\x72\x6C\xFF",
    padded_to: 0,
    ..Packet::DEFAULT
};

/// dhclient 4.4 on Debian: no client identifier.
pub(crate) const DHCLIENT_DISCOVER: Packet = Packet {
    secs: 4,
    options: b"\x35\x01\x01\x32\x04\xC0\xA8\x1E\x64\x0C\x06debian\
        \x37\x0D\x01\x1C\x02\x03\x0F\x06\x77\x0C\x2C\x2F\x1A\x79\x2A\xFF",
    ..Packet::DEFAULT
};

/// dhclient renewing by unicast: ciaddr, and neither 50 nor 54.
pub(crate) const DHCLIENT_RENEW: Packet = Packet {
    ciaddr: Ipv4Addr::new(192, 168, 30, 100),
    options: b"\x35\x01\x03\x0C\x06debian\x37\x0D\x01\x1C\x02\x03\x0F\x06\x77\x0C\x2C\x2F\x1A\x79\x2A\xFF",
    ..Packet::DEFAULT
};

/// udhcpc of BusyBox 1.35: takes 576 bytes, and says so.
pub(crate) const UDHCPC_DISCOVER: Packet = Packet {
    options: b"\x35\x01\x01\x3D\x07\x01\x02\x42\xAC\x11\x00\x02\x39\x02\x02\x40\
        \x37\x07\x01\x03\x06\x0C\x0F\x1C\x2A\x3C\x0Cudhcp 1.35.0\xFF",
    ..Packet::DEFAULT
};

/// systemd-networkd: an identifier of type 255 (RFC 4361): IAID, then a DUID-EN of systemd's enterprise number.
pub(crate) const NETWORKD_DISCOVER: Packet = Packet {
    secs: 1,
    options: b"\x35\x01\x01\x3D\x13\xFF\xAF\xDA\x4B\x71\x00\x02\x00\x00\xAB\x11\x61\x77\x40\xDE\x42\x42\xC2\xAB\
        \x37\x0B\x01\x03\x06\x0C\x0F\x1A\x21\x2A\x77\x79\x78\x39\x02\x05\xC0\x0C\x04node\xFF",
    padded_to: 0,
    ..Packet::DEFAULT
};

/// iPXE on UEFI: architecture, machine identifier, class, user class, its own encapsulated 175, a set broadcast flag.
pub(crate) const IPXE_DISCOVER: Packet = Packet {
    secs: 4,
    flags: 0x8000,
    options: b"\x35\x01\x01\x39\x02\x05\xC0\x5D\x02\x00\x07\x5E\x03\x01\x03\x0A\x3C\x20PXEClient:Arch:00007:UNDI:003010\
        \x4D\x04iPXE\x37\x18\x01\x03\x06\x07\x0C\x0F\x11\x1A\x2B\x3C\x42\x43\x77\x80\x81\x82\x83\x84\x85\x86\x87\xAF\xCB\xFC\
        \xAF\x06\xEB\x03\x01\x00\x00\x15\x3D\x07\x01\x02\x42\xAC\x11\x00\x02\
        \x61\x11\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F\x10\xFF",
    ..Packet::DEFAULT
};

/// lwIP on an ESP32: 12 bytes of padding before END, the host name every one of its kind sends.
pub(crate) const ESP32_DISCOVER: Packet = Packet {
    options: b"\x35\x01\x01\x39\x02\x05\xDC\x37\x04\x01\x03\x1C\x06\x0C\x09espressif\0\0\0\0\0\0\0\0\0\0\0\0\xFF",
    padded_to: 308,
    ..Packet::DEFAULT
};

/// Each of them by name.
pub(crate) const ALL: [(&str, Packet); 10] = [
    ("Windows DISCOVER", WINDOWS_DISCOVER),
    ("Windows REQUEST", WINDOWS_REQUEST),
    ("iPhone DISCOVER", IPHONE_DISCOVER),
    ("Android DISCOVER", ANDROID_DISCOVER),
    ("dhclient DISCOVER", DHCLIENT_DISCOVER),
    ("dhclient renewal", DHCLIENT_RENEW),
    ("udhcpc DISCOVER", UDHCPC_DISCOVER),
    ("systemd-networkd DISCOVER", NETWORKD_DISCOVER),
    ("iPXE DISCOVER", IPXE_DISCOVER),
    ("ESP32 DISCOVER", ESP32_DISCOVER),
];
