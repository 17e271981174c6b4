//! Which options a reply carries, and in what order.

use super::code;

/// The order in which options stand in a reply: those of the parameter request list first, as listed there,
/// then the rest of `mandatory`, then of `always`, as given. `lookup` tells the configured data of a code. Options in
/// `mandatory` win over `lookup`. Returned as `(code, data)`, each code once.
///
/// RFC 2132 section 9.8: "The client MAY list the options in order of preference. The DHCP server is not required
/// to return the options in the requested order, but MUST try to insert the requested options in the order
/// requested by the client."
///
/// A client that sent no list is given every option of `all`, in that order, but for 108, which RFC 8925
/// section 3.3 keeps for those that ask.
#[must_use]
pub fn in_requested_order(
    parameter_request_list: &[u8],
    all: impl FnOnce() -> Vec<u8>,
    always: impl IntoIterator<Item = u8>,
    lookup: impl Fn(u8) -> Option<Box<[u8]>>,
    mut mandatory: Vec<(u8, Box<[u8]>)>,
) -> Vec<(u8, Box<[u8]>)> {
    let mut placed = [false; 256];
    let mut ordered: Vec<(u8, Box<[u8]>)> = Vec::with_capacity(mandatory.len() + parameter_request_list.len().min(32));
    let mut place = |code: u8, mandatory: &mut [(u8, Box<[u8]>)]| {
        if std::mem::replace(&mut placed[usize::from(code)], true) {
            return;
        }
        match mandatory.iter_mut().find(|(c, _)| *c == code) {
            // Each is placed once.
            Some((_, data)) => ordered.push((code, std::mem::take(data))),
            None => ordered.extend(lookup(code).map(|data| (code, data))),
        }
    };
    if parameter_request_list.is_empty() {
        let all = all().into_iter().filter(|code| *code != code::IPV6_ONLY_PREFERRED);
        all.for_each(|code| place(code, &mut mandatory));
    } else {
        parameter_request_list.iter().for_each(|code| place(*code, &mut mandatory));
    }
    for index in 0..mandatory.len() {
        place(mandatory[index].0, &mut mandatory);
    }
    always.into_iter().for_each(|code| place(code, &mut mandatory));
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

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIGURED: [(u8, &[u8]); 6] =
        [(1, &[255, 255, 255, 0]), (3, &[1; 4]), (6, &[2; 4]), (15, b"lan"), (28, &[3; 4]), (108, &[0, 0, 1, 44])];

    fn order(requested: &[u8], mandatory: &[u8]) -> Vec<u8> {
        order_with(requested, &[], mandatory)
    }

    fn order_with(requested: &[u8], always: &[u8], mandatory: &[u8]) -> Vec<u8> {
        let lookup = |code| CONFIGURED.iter().find(|(c, _)| *c == code).map(|(_, data)| Box::from(*data));
        let mandatory = mandatory.iter().map(|code| (*code, Box::from([*code]))).collect();
        let all = || CONFIGURED.iter().map(|(code, _)| *code).collect();
        in_requested_order(requested, all, always.iter().copied(), lookup, mandatory)
            .into_iter()
            .map(|(code, _)| code)
            .collect()
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
    fn mandatory_data_wins_over_configured_data() {
        let mandatory = vec![(6, Box::from([9; 4]))];
        let options = in_requested_order(&[6], Vec::new, [], |_| Some(Box::from([1; 4])), mandatory);
        assert_eq!(options, [(6, Box::from([9; 4]))]);
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
