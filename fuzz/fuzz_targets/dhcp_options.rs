//! The readers of single options' data: what a relay put into option 82, numbers and addresses.

#![no_main]

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
});
