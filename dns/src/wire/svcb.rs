//! The text of SVCB and HTTPS records (RFC 9460), read by hickory-proto.

use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamValue};
use hickory_proto::rr::{RData, RecordType as WireType};

use super::rdata_from_hickory;
use crate::text::Word;
use crate::{Fqdn, Rdata, RecordType};

/// The data of a record of these words; `target` is its second word, made absolute.
///
/// Hickory keeps the order in which parameters are written and takes a key twice; RFC 9460 section 2.2 wants "increasing
/// numeric order" on the wire, and section 2.1 each key "at most once". So that is seen to here.
///
/// # Errors
/// What is wrong, in words.
pub fn svcb_from_text(rtype: RecordType, words: &[Word<'_>], target: &Fqdn) -> Result<Rdata, String> {
    let mut text = format!("{} {target}", words.first().map_or("", |word| word.text));
    for word in words.get(2..).unwrap_or_default() {
        text.push(' ');
        match word.text.split_once("=\"").and_then(|(key, value)| Some((key, value.strip_suffix('"')?))) {
            Some((key, value)) => text.extend([key, "=", value]),
            None => text.push_str(word.text),
        }
    }
    let parsed = RData::try_from_str(WireType::from(rtype.0), &text).map_err(|error| error.to_string())?;
    let in_order = |mut svcb: SVCB| {
        svcb.svc_params.sort_by_key(|(key, _)| u16::from(*key));
        if let Some(pair) = svcb.svc_params.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!("`{}` stands here twice", pair[0].0));
        }
        for (_, value) in &mut svcb.svc_params {
            if let SvcParamValue::Mandatory(keys) = value {
                keys.0.sort_by_key(|key| u16::from(*key));
            }
        }
        Ok(svcb)
    };
    let data = match parsed {
        RData::SVCB(svcb) => RData::SVCB(in_order(svcb)?),
        RData::HTTPS(https) => RData::HTTPS(hickory_proto::rr::rdata::HTTPS(in_order(https.0)?)),
        _ => return Err("neither SVCB nor HTTPS".to_owned()),
    };
    rdata_from_hickory(&data).map(|(_, rdata)| rdata).map_err(|error| error.to_string())
}
