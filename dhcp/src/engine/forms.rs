//! The fast way to a reply's options: what the settings give to a parameter request list as bytes made ready, with gaps for
//! what follows from lease and message.
//!
//! The clients of a network send few different lists, so that the options of most replies are a few copies. A form serves
//! every client for whom nothing narrower than its subnet says anything ([`Layers::are_wide`]); it is what the slow way,
//! [`in_requested_order`](crate::options::in_requested_order), comes to. Forms lie in the plan, so that new settings begin
//! without any.

use std::cell::RefCell;

use super::layers::Layers;
use super::respond::{OWN, unasked};
use crate::options::{OptionList, code, for_each_code};
use crate::settings::Subnet;

/// How many forms are kept at most, of some 250 bytes each as a rule.
const FORMS_MAX: usize = 1024;
/// A longer list is none that many clients send.
const LIST_BYTES_MAX: usize = 64;
/// So many misses a form outlives at most that fall on its place: lists that somebody makes up drive none out that is in
/// use.
const CREDIT_MAX: u8 = 16;

/// Each at the place that its subnet and list point at.
#[derive(Debug, Default)]
pub(super) struct Forms(RefCell<Vec<Option<Box<Kept>>>>);

#[derive(Debug)]
struct Kept {
    subnet: usize,
    list: Box<[u8]>,
    form: Form,
    credit: u8,
}

/// The options of the replies to one list in one subnet.
#[derive(Debug)]
struct Form {
    /// What the settings give, as it is sent.
    ready: Vec<u8>,
    /// In their order, each with the end of the ready bytes that stand before it.
    gaps: Vec<(usize, Gap)>,
}

/// What is looked up for each reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// The option of this code.
    Code(u8),
    /// The same, which there is for a message alone that has it too.
    Sent(u8),
    /// A time as so many thousandths of the lease time, rounded down.
    Time(u8, u16),
    /// Option 12 for a client that told its name and did not ask for it.
    NameUnasked,
}

impl Forms {
    /// The options of a reply to `list` in a subnet that only `layers` for all its clients apply to; `fill` adds the option
    /// of a gap, if there is one. `None`: they are to be put together one by one.
    pub(super) fn options(
        &self,
        (place, subnet): (usize, &Subnet),
        list: &[u8],
        layers: &Layers<'_>,
        fill: impl FnMut(Gap, &mut OptionList),
    ) -> Option<OptionList> {
        if list.len() > LIST_BYTES_MAX {
            return None;
        }
        // Nothing that fills a gap comes back here.
        let mut places = self.0.try_borrow_mut().ok()?;
        if places.is_empty() {
            places.resize_with(FORMS_MAX, || None);
        }
        let kept = &mut places[place_of(place, list)];
        match kept {
            Some(kept) if kept.subnet == place && *kept.list == *list => {
                kept.credit = (kept.credit + 1).min(CREDIT_MAX);
                Some(kept.form.fill(fill))
            }
            Some(kept) if kept.credit > 0 => {
                kept.credit -= 1;
                None
            }
            _ => {
                let form = Form::new(list, layers, subnet)?;
                let options = form.fill(fill);
                *kept = Some(Box::new(Kept { subnet: place, list: list.into(), form, credit: 0 }));
                Some(options)
            }
        }
    }
}

/// Whoever sends lists that fall on each other's place has them put together the slow way, and nobody else's.
fn place_of(subnet: usize, list: &[u8]) -> usize {
    const SCATTER: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(SCATTER).rotate_left(29);
    let (words, rest) = list.as_chunks::<8>();
    let last = rest.iter().fold(list.len() as u64, |last, byte| (last << 8) | u64::from(*byte));
    let hash = words.iter().fold(mix(subnet as u64, last), |hash, word| mix(hash, u64::from_le_bytes(*word)));
    // Below the number of places.
    (hash % FORMS_MAX as u64) as usize
}

impl Form {
    /// `None`: an option goes in parts.
    fn new(list: &[u8], layers: &Layers<'_>, subnet: &Subnet) -> Option<Self> {
        let is_gap = |code: u8| code == code::HOST_NAME || (OWN.contains(&code) && code != code::SUBNET_MASK);
        let ready = |code: u8| if layers.is_never_sent(code) { None } else { layers.value(code) };
        let mut codes = Vec::new();
        for_each_code(
            list,
            || layers.codes(),
            &OWN,
            unasked(&layers.always()),
            |code| {
                if is_gap(code) || ready(code).is_some() {
                    codes.push(code);
                }
            },
        );
        // RFC 2132 section 3.3: "If both the subnet mask and the router option are specified in a DHCP reply, the subnet
        // mask option MUST be first."
        let at = |wanted| codes.iter().position(|code| *code == wanted);
        if let (Some(mask), Some(router)) = (at(code::SUBNET_MASK), at(code::ROUTER))
            && router < mask
        {
            codes[router..=mask].rotate_right(1);
        }
        let (mut bytes, mut gaps) = (OptionList::default(), Vec::new());
        for &code in &codes {
            if is_gap(code) {
                let gap = Self::gap(code, ready(code).is_some(), layers, subnet);
                gaps.push((bytes.as_sent()?.len(), gap));
            } else if let Some(data) = ready(code) {
                bytes.push(code, &data);
            }
        }
        let ready = bytes.as_sent()?.to_vec();
        if !codes.contains(&code::HOST_NAME) {
            gaps.push((ready.len(), Gap::NameUnasked));
        }
        Some(Self { ready, gaps })
    }

    /// `is_configured`: the settings have the option too, for where the lease or the message have none.
    fn gap(code: u8, is_configured: bool, layers: &Layers<'_>, subnet: &Subnet) -> Gap {
        match code {
            code::IP_ADDRESS_LEASE_TIME => Gap::Time(code, 1000),
            code::RENEWAL_TIME_VALUE if !layers.is_never_sent(code) => {
                Gap::Time(code, subnet.renewal_permille.min(1000))
            }
            code::REBINDING_TIME_VALUE if !layers.is_never_sent(code) => {
                Gap::Time(code, subnet.rebinding_permille.min(1000))
            }
            code::CLIENT_IDENTIFIER | code::RAPID_COMMIT | code::SUBNET_SELECTION | code::AUTO_CONFIGURE
                if !is_configured || code == code::AUTO_CONFIGURE =>
            {
                Gap::Sent(code)
            }
            code => Gap::Code(code),
        }
    }

    fn fill(&self, mut fill: impl FnMut(Gap, &mut OptionList)) -> OptionList {
        let mut options = OptionList::default();
        let mut done = 0;
        for &(end, gap) in &self.gaps {
            if done < end {
                options.push_sent(&self.ready[done..end]);
                done = end;
            }
            fill(gap, &mut options);
        }
        options.push_sent(&self.ready[done..]);
        options
    }
}
