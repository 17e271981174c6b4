//! The readers of single options' data: what a relay put into option 82, numbers and addresses, and every option of
//! the registry by its type.

#![no_main]

use dhcp::options::registry::{OPTIONS, spaces};
use dhcp::options::value::{decode, encode, show};
use dhcp::options::{RelayAgentInfo, read_address, read_specified_address, read_u16, read_u32};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert_eq!(read_u16(data).is_some(), data.len() == 2);
    assert_eq!(read_u32(data).is_some(), data.len() == 4);
    assert_eq!(read_address(data).is_some(), data.len() == 4);
    assert!(read_specified_address(data).is_none_or(|address| !address.is_unspecified()));

    let info = RelayAgentInfo(data);
    assert!(info.iter().map(|(_, data)| data.len() + 2).sum::<usize>() <= data.len());
    for (code, first) in info.iter() {
        let found = info.get(code).expect("a sub-option that was listed");
        assert!(found.len() <= data.len() && (found == first || info.iter().filter(|(c, _)| *c == code).count() > 1));
    }
    let _ = (info.circuit_id(), info.remote_id(), info.link_selection());
    let _ = (info.server_identifier_override(), info.relay_source_port());

    for definition in OPTIONS.iter().chain(spaces::VENDORS.iter().flat_map(|vendor| vendor.options)) {
        let _ = show(definition.code, data);
        let Some(value) = decode(&definition.kind, data) else { continue };
        // What the network may say and nobody may configure has no bytes.
        if let Ok(again) = encode(&definition.kind, &value) {
            assert_eq!(decode(&definition.kind, &again), Some(value), "{}", definition.name);
        }
    }
});
