//! Which options a reply carries, and in what order.

use std::ops::Deref;

use super::{OptionList, code};

/// The options of a reply in their order: those of the parameter request list first, as listed there, then the rest of
/// `mandatory`, then of `always`, as given, each code once. `lookup` tells the data of a code; `None`: it is not sent.
///
/// RFC 2132 section 9.8: "The client MAY list the options in order of preference. The DHCP server is not required
/// to return the options in the requested order, but MUST try to insert the requested options in the order
/// requested by the client."
///
/// A client that sent no list is given every option of `all`, in that order, but for 108, which RFC 8925
/// section 3.3 keeps for those that ask.
#[must_use]
pub fn in_requested_order<D: Deref<Target = [u8]>>(
    parameter_request_list: &[u8],
    all: impl FnOnce() -> Vec<u8>,
    mandatory: &[u8],
    always: impl IntoIterator<Item = u8>,
    lookup: impl Fn(u8) -> Option<D>,
) -> OptionList {
    let mut ordered = OptionList::default();
    for_each_code(parameter_request_list, all, mandatory, always, |code| {
        lookup(code).into_iter().for_each(|data| ordered.push(code, &data));
    });
    // RFC 2132 section 3.3: "If both the subnet mask and the router option are specified in a DHCP reply, the subnet
    // mask option MUST be first."
    ordered.move_before(code::SUBNET_MASK, code::ROUTER);
    ordered
}

/// Each code once, in the order of [`in_requested_order`] but for the subnet mask's place.
pub(crate) fn for_each_code(
    parameter_request_list: &[u8],
    all: impl FnOnce() -> Vec<u8>,
    mandatory: &[u8],
    always: impl IntoIterator<Item = u8>,
    mut place: impl FnMut(u8),
) {
    let mut placed = [0_u64; 4];
    let mut once = |code: u8| {
        let (word, bit) = (&mut placed[usize::from(code / 64)], 1 << (code % 64));
        if *word & bit == 0 {
            *word |= bit;
            place(code);
        }
    };
    if parameter_request_list.is_empty() {
        all().into_iter().filter(|code| *code != code::IPV6_ONLY_PREFERRED).for_each(&mut once);
    } else {
        parameter_request_list.iter().copied().for_each(&mut once);
    }
    mandatory.iter().copied().chain(always).for_each(&mut once);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIGURED: [(u8, &[u8]); 6] =
        [(1, &[255, 255, 255, 0]), (3, &[1; 4]), (6, &[2; 4]), (15, b"lan"), (28, &[3; 4]), (108, &[0, 0, 1, 44])];

    fn order(requested: &[u8], mandatory: &[u8]) -> Vec<u8> {
        order_with(requested, &[], mandatory)
    }

    fn order_with(requested: &[u8], always: &[u8], mandatory: &[u8]) -> Vec<u8> {
        let configured = |code| CONFIGURED.iter().find(|(c, _)| *c == code).map(|(_, data)| data.to_vec());
        let lookup = |code| if mandatory.contains(&code) { Some(vec![code]) } else { configured(code) };
        let all = || CONFIGURED.iter().map(|(code, _)| *code).collect();
        let options = in_requested_order(requested, all, mandatory, always.iter().copied(), lookup);
        options.iter().map(|(code, _)| code).collect()
    }

    #[test]
    fn rfc2131_section_3_5_the_parameter_request_list_decides_which_options_are_sent_and_in_what_order() {
        assert_eq!(order(&[28, 6, 1, 3], &[]), [28, 6, 1, 3]);
        assert_eq!(order(&[6], &[]), [6]);
        assert_eq!(order(&[99, 6, 250], &[]), [6], "what is not configured is not sent");
    }

    #[test]
    fn mandatory_options_stand_where_they_were_requested_else_last() {
        assert_eq!(order(&[6, 51, 1], &[51, 58, 59]), [6, 51, 1, 58, 59]);
    }

    #[test]
    fn what_is_always_sent_stands_last_unless_it_is_asked_for() {
        assert_eq!(order_with(&[6, 28], &[28, 15, 99], &[51]), [6, 28, 51, 15]);
    }

    #[test]
    fn an_option_that_is_asked_for_twice_is_sent_once() {
        assert_eq!(order(&[6, 6, 51, 6], &[51]), [6, 51]);
    }

    #[test]
    fn rfc2132_section_3_3_the_subnet_mask_stands_before_the_router() {
        assert_eq!(order(&[3, 6, 1], &[]), [1, 3, 6]);
        assert_eq!(order(&[15, 3, 1, 6], &[]), [15, 1, 3, 6]);
    }

    #[test]
    fn rfc8925_option_108_is_for_those_that_ask() {
        assert_eq!(order(&[], &[51]), [1, 3, 6, 15, 28, 51]);
        assert_eq!(order(&[108], &[51]), [108, 51]);
    }
}
