//! Which options a reply carries, and in what order.

use super::code;

/// The order in which options stand in a reply: those of the parameter request list first, as listed there,
/// then the rest of `mandatory`, as given. `lookup` tells the configured data of a code. Options in `mandatory`
/// win over `lookup`. Returned as `(code, data)`, each code once.
///
/// RFC 2132 section 9.8: "The client MAY list the options in order of preference. The DHCP server is not required
/// to return the options in the requested order, but MUST try to insert the requested options in the order
/// requested by the client."
///
/// A client that sent no list is given every option of `all`, in that order, but for 108, which RFC 8925
/// section 3.3 keeps for those that ask.
#[must_use]
pub fn in_requested_order<'d>(
    parameter_request_list: &[u8],
    all: impl IntoIterator<Item = u8>,
    lookup: impl Fn(u8) -> Option<&'d [u8]>,
    mandatory: Vec<(u8, Box<[u8]>)>,
) -> Vec<(u8, Box<[u8]>)> {
    let mut placed = [false; 256];
    let mut ordered: Vec<(u8, Box<[u8]>)> = Vec::with_capacity(mandatory.len() + parameter_request_list.len().min(32));
    let mut place = |code: u8| {
        if std::mem::replace(&mut placed[usize::from(code)], true) {
            return;
        }
        match mandatory.iter().find(|(c, _)| *c == code) {
            Some((_, data)) => ordered.push((code, data.clone())),
            None => ordered.extend(lookup(code).map(|data| (code, data.into()))),
        }
    };
    if parameter_request_list.is_empty() {
        all.into_iter().filter(|code| *code != code::IPV6_ONLY_PREFERRED).for_each(&mut place);
    } else {
        parameter_request_list.iter().copied().for_each(&mut place);
    }
    mandatory.iter().for_each(|(code, _)| place(*code));
    mask_before_router(&mut ordered);
    ordered
}

/// RFC 2132 section 3.3: "If both the subnet mask and the router option are specified in a DHCP reply, the subnet
/// mask option MUST be first."
fn mask_before_router(options: &mut Vec<(u8, Box<[u8]>)>) {
    let position = |code| options.iter().position(|(c, _)| *c == code);
    if let (Some(mask), Some(router)) = (position(code::SUBNET_MASK), position(code::ROUTER))
        && router < mask
    {
        let mask = options.remove(mask);
        options.insert(router, mask);
    }
}
