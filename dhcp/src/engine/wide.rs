//! What a subnet, its shared network and the server give to a client for whom nothing narrower says anything: worked out
//! once, since that is how most clients are served. It is what [`Layers`] would say, by whom it is made.

use std::net::Ipv4Addr;

use super::layers::{Layers, Source};
use crate::settings::LeaseTime;

/// See the module.
#[derive(Debug)]
pub(super) struct Wide {
    /// Of which codes there is data, and which are not to be sent.
    said: Codes,
    never: Codes,
    /// By code, those of `said` alone.
    options: Box<[Said]>,
    pub(super) codes: Vec<u8>,
    pub(super) always: Vec<u8>,
    pub(super) next_server: Option<(Source, Ipv4Addr)>,
    pub(super) server_name: Option<(Source, Box<str>)>,
    pub(super) boot_file: Option<(Source, Box<str>)>,
    pub(super) lease_time: LeaseTime,
}

/// One option.
#[derive(Debug)]
struct Said {
    source: Source,
    data: Box<[u8]>,
    /// As it is sent; `None`: not at all, since it cannot be read.
    sent: Option<Box<[u8]>>,
}

/// A set of option codes.
#[derive(Clone, Copy, Debug, Default)]
struct Codes([u64; 4]);

impl Codes {
    fn insert(&mut self, code: u8) {
        self.0[usize::from(code / 64)] |= 1 << (code % 64);
    }

    fn contains(&self, code: u8) -> bool {
        self.0[usize::from(code / 64)] & (1 << (code % 64)) != 0
    }

    /// How many lesser codes are in it.
    fn rank(&self, code: u8) -> usize {
        let word = usize::from(code / 64);
        let below = self.0[word] & ((1 << (code % 64)) - 1);
        let before: u32 = self.0[..word].iter().map(|word| word.count_ones()).sum();
        (before + below.count_ones()) as usize
    }
}

impl Wide {
    /// What these layers say, none of which depends on the client.
    pub(super) fn new(layers: &Layers<'_>) -> Self {
        let (mut said, mut never, mut options) = (Codes::default(), Codes::default(), Vec::new());
        for code in 0..=u8::MAX {
            if layers.is_never_sent(code) {
                never.insert(code);
            }
            if let Some((source, data)) = layers.find(code) {
                said.insert(code);
                let sent = layers.value(code).map(|sent| (*sent).into());
                options.push(Said { source, data: data.into(), sent });
            }
        }
        Self {
            said,
            never,
            options: options.into(),
            codes: layers.codes(),
            always: layers.always().into_owned(),
            next_server: layers.next_server(),
            server_name: layers.server_name().map(|(source, name)| (source, name.into())),
            boot_file: layers.boot_file().map(|(source, file)| (source, file.into())),
            lease_time: layers.lease_time(),
        }
    }

    /// See [`Layers::find`].
    pub(super) fn find(&self, code: u8) -> Option<(Source, &[u8])> {
        self.option(code).map(|said| (said.source, &*said.data))
    }

    /// See [`Layers::value`].
    pub(super) fn value(&self, code: u8) -> Option<&[u8]> {
        self.option(code)?.sent.as_deref()
    }

    /// See [`Layers::is_never_sent`].
    pub(super) fn is_never_sent(&self, code: u8) -> bool {
        self.never.contains(code)
    }

    fn option(&self, code: u8) -> Option<&Said> {
        if self.said.contains(code) { self.options.get(self.said.rank(code)) } else { None }
    }
}
