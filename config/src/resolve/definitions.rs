//! What names and numbers of options stand for: the registry's, and those of `[[option]]`.

use dhcp::options::kind::{BYTES, I32, Kind, Number, U8, U16, U32};
use dhcp::options::registry::{self, Definition, spaces};

use super::option_value::unknown_mend;
use super::options::own_key;
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::FreeText;
use crate::file::v1::{OptionDefinition, OptionKind};

/// Where a code means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// Among the options of a message.
    Message,
    /// In option 43, for clients whose option 60 begins so.
    Vendor(String),
    /// In option 125, for an enterprise.
    Enterprise(u32),
}

/// The options of `[[option]]`.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    own: Vec<Own>,
}

#[derive(Debug)]
struct Own {
    space: Space,
    code: u8,
    name: String,
    kind: Kind,
    span: Span,
}

/// What a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) code: u8,
    /// How it is called in what is said about it.
    pub(super) name: String,
    /// `None`: nobody said of what type it is.
    pub(super) kind: Option<Kind>,
}

impl Definitions {
    /// What a key stands for in a space: a number, or a name. An `[[option]]` wins over the registry.
    pub(super) fn meant(&self, space: &Space, key: &At<FreeText>, findings: &mut Findings) -> Option<Meant> {
        let written = key.value.0.as_str();
        let number = written.parse::<u8>().ok();
        let own = self.of(space).find(|own| own.name == written || Some(own.code) == number);
        if let Some(own) = own {
            return Some(Meant { code: own.code, name: own.name.clone(), kind: Some(own.kind) });
        }
        let known = built_in(space).iter().find(|known| known.name == written || Some(known.code) == number);
        if let Some(known) = known {
            // What was written is what is spoken of.
            return Some(Meant { code: known.code, name: written.to_owned(), kind: Some(known.kind) });
        }
        if let Some(code) = number {
            return Some(Meant { code, name: written.to_owned(), kind: None });
        }
        if written.parse::<u32>().is_ok() {
            findings.fault(
                key.span,
                format!("`{written}` is not the number of an option"),
                "not an option's number",
                "write a number from 1 to 254",
            );
            return None;
        }
        let mut names: Vec<&str> = self.of(space).map(|own| own.name.as_str()).collect();
        names.extend(built_in(space).iter().map(|known| known.name));
        let mend = match unknown_mend(written, &names) {
            meant if meant.starts_with("did you mean") => meant,
            _ => "write its number, or define it: [[option]] with `name`, `code` and `type`; docs/options.md has the \
                  names that are known"
                .to_owned(),
        };
        findings.fault(key.span, format!("unknown option `{written}`"), "not the name of an option", mend);
        None
    }

    fn of<'d>(&'d self, space: &'d Space) -> impl Iterator<Item = &'d Own> {
        self.own.iter().filter(move |own| match (&own.space, space) {
            (Space::Vendor(defined), Space::Vendor(meant)) => meant.starts_with(defined.as_str()),
            (defined, meant) => defined == meant,
        })
    }
}

fn built_in(space: &Space) -> &'static [Definition] {
    match space {
        Space::Message => registry::OPTIONS,
        Space::Vendor(identifier) => spaces::of_vendor(identifier).map_or(&[], |vendor| vendor.options),
        Space::Enterprise(_) => &[],
    }
}

pub(super) fn read(list: &[At<OptionDefinition>], findings: &mut Findings) -> Definitions {
    let mut out = Definitions::default();
    for at in list {
        if let Some(own) = read_one(at, &out, findings) {
            out.own.push(own);
        }
    }
    out
}

fn read_one(at: &At<OptionDefinition>, earlier: &Definitions, findings: &mut Findings) -> Option<Own> {
    let OptionDefinition { name, code, kind, array, vendor, enterprise } = &at.value;
    let (name, code) = (name.as_ref()?, code.as_ref()?);
    let space = match (vendor, enterprise) {
        (None, None) => Space::Message,
        (Some(vendor), None) => Space::Vendor(vendor.value.0.clone()),
        (None, Some(enterprise)) => Space::Enterprise(enterprise.value),
        (Some(_), Some(enterprise)) => {
            findings.fault(
                enterprise.span,
                "an [[option]] has `vendor` or `enterprise`, not both",
                "the vendor is named already",
                "`vendor` is for option 43, by what option 60 begins with; `enterprise` for option 125: take one out",
            );
            return None;
        }
    };
    let text = name.value.0.as_str();
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !plain || !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        findings.fault(
            name.span,
            format!("`{text}` is not a name for an option"),
            "not a name",
            "write small letters, digits and underscores, a letter first, such as site_code",
        );
        return None;
    }
    if !(1..=254).contains(&code.value) {
        findings.fault(
            code.span,
            format!("{} is not the number of an option", code.value),
            "not an option's number",
            "write a number from 1 to 254; 224 to 254 are for private use",
        );
        return None;
    }
    check_registry(&space, name, code, findings)?;
    let twice = earlier.of(&space).find(|own| own.space == space && (own.name == text || own.code == code.value));
    if let Some(twice) = twice {
        let (span, what) = if twice.name == text {
            (name.span, format!("the option `{text}` is defined twice"))
        } else {
            (code.span, format!("option {} is defined twice", code.value))
        };
        findings
            .fault(span, what, "defined again", "take one of the two out, or change its name and its code")
            .see(twice.span, "defined here first");
        return None;
    }
    let kind = kind_of(kind.as_ref()?, array.as_ref(), findings)?;
    if let (Kind::Empty, Space::Message, Some(written)) = (kind, &space, &at.value.kind) {
        findings.fault(
            written.span,
            format!("the option `{text}` has no data, and an option without data is not sent"),
            "not for an option",
            "take another type, such as bool; `empty` is for sub-options, with `vendor` or `enterprise`",
        );
        return None;
    }
    Some(Own { space, code: code.value, name: text.to_owned(), kind, span: name.span })
}

/// A definition may say more of a code than the registry does, but not take what the server writes itself.
fn check_registry(space: &Space, name: &At<FreeText>, code: &At<u8>, findings: &mut Findings) -> Option<()> {
    if *space != Space::Message {
        return Some(());
    }
    let text = name.value.0.as_str();
    if let Some(known) = registry::by_name(text).filter(|known| known.code != code.value) {
        findings.fault(
            name.span,
            format!("`{text}` is the name of option {}", known.code),
            "is taken",
            "choose another name",
        );
        return None;
    }
    let known = registry::by_code(code.value).is_some_and(|known| known.set_by != registry::SetBy::Administrator);
    if known || own_key(code.value).is_some() {
        findings.fault(
            code.span,
            format!("option {} cannot be defined: the server knows what to do with it", code.value),
            "not free",
            "choose a code that is free, such as 224 to 254",
        );
        return None;
    }
    Some(())
}

fn kind_of(kind: &At<OptionKind>, array: Option<&At<bool>>, findings: &mut Findings) -> Option<Kind> {
    let several = array.is_some_and(|array| array.value);
    let one = match kind.value {
        OptionKind::Address => Kind::Address,
        OptionKind::AddressPair => Kind::AddressPairs,
        OptionKind::Ipv6Address => Kind::Ipv6Address,
        OptionKind::U8 => U8,
        OptionKind::U16 => U16,
        OptionKind::U32 => U32,
        OptionKind::I32 => I32,
        OptionKind::Bool => Kind::Bool,
        OptionKind::Text => Kind::Text,
        OptionKind::Name => Kind::Name,
        OptionKind::Routes => Kind::Routes,
        OptionKind::Uuid => Kind::Uuid,
        OptionKind::Bytes => BYTES,
        OptionKind::Empty => Kind::Empty,
        OptionKind::Suboptions => Kind::Suboptions(&[]),
    };
    if !several {
        return Some(one);
    }
    Some(match one {
        Kind::Address => Kind::Addresses,
        Kind::Number(number) => Kind::Numbers(Number { ..number }),
        Kind::Name => Kind::Names { compressed: false },
        Kind::AddressPairs => one,
        _ => {
            let span = array.map_or(kind.span, |array| array.span);
            findings.fault(
                span,
                "an option of this type has one value",
                "not of this type",
                "`array = true` goes with address, address-pair, u8, u16, u32, i32 and name: take it out",
            );
            return None;
        }
    })
}
