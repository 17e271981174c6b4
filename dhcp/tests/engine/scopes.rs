//! Which scope wins: for every pair of levels, and on random scopes against a model that reads the printed order.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dhcp::class::{Class, Classes, Condition};
use dhcp::client::ClientMessage;
use dhcp::engine::Level;
use dhcp::options::code;
use dhcp::reply::Reply;
use dhcp::settings::{
    Boot, LeaseTime, LeaseTimes, NetworkId, OptionSet, Pool, Reservation, ReservedFor, Scope, Settings, SharedNetwork,
    Subnet,
};
use proptest::prelude::*;

use crate::network::*;

/// Where scopes are given in these tests: each level once, but for two classes.
const PLACES: [&str; 7] = ["server", "shared network", "subnet", "pool", "class", "class", "reservation"];

/// The places, the one that wins first, as the printed order has it; of two classes, the one declared first.
fn printed() -> Vec<usize> {
    let order = Level::order();
    let place = |level: &str| (0..PLACES.len()).filter(move |&place| PLACES[place] == level).collect::<Vec<_>>();
    let places: Vec<usize> = order.split(" > ").flat_map(place).collect();
    assert_eq!(places.len(), PLACES.len(), "{order}");
    places
}

/// Client 1 has a reservation in the pool of a subnet of a shared network, and is of both classes.
fn serving(scopes: &[Scope]) -> Server {
    let [server, network, of_subnet, pool, one, other, reserved] = scopes else { panic!("a scope for each place") };
    let class = |name, scope: &Scope, condition| Class { scope: scope.clone(), ..Class::new(name, condition) };
    let everybody = || Condition::All(Vec::new());
    let not_this = Scope { boot: Boot { file: Some("nobody's".into()), ..Boot::default() }, ..Scope::default() };
    let strangers = class("strangers", &not_this, Condition::Any(Vec::new()));
    let all = [strangers, class("one", one, everybody()), class("other", other, everybody())];
    let elsewhere = range([192, 168, 30, 200].into(), [192, 168, 30, 209].into());
    let reservation = Reservation { scope: reserved.clone(), ..reservation(FIRST, ReservedFor::Hardware(mac(1))) };
    let served = Subnet {
        network: Some(NetworkId(1)),
        pools: vec![
            Pool { scope: not_this.clone(), ..elsewhere },
            Pool { scope: pool.clone(), ..range(FIRST, SECOND) },
        ],
        reservations: vec![reservation],
        scope: of_subnet.clone(),
        ..subnet()
    };
    let shared =
        |name: &str, scope: &Scope| SharedNetwork { name: name.into(), scope: scope.clone(), ..Default::default() };
    Server::new(Settings {
        classes: Classes::compile(all.into()).unwrap(),
        networks: vec![shared("another", &not_this), shared("this", network)],
        scope: server.clone(),
        ..settings([served])
    })
}

/// What client 1 is offered when it asks for these options.
fn told(scopes: &[Scope], asking: &[u8]) -> Reply {
    let message = match asking {
        [] => discover(1),
        codes => discover(1).with(code::PARAMETER_REQUEST_LIST, codes),
    };
    let offer = serving(scopes).hear(&message);
    assert_eq!(offer.offered(), FIRST);
    offer.reply().clone()
}

/// Every pair of places, and of scopes in them.
fn each_pair(narrow: &Scope, wide: &Scope, check: impl Fn(&[Scope], &str)) {
    let places = printed();
    for (at, &narrower) in places.iter().enumerate() {
        for &wider in &places[at + 1..] {
            let mut scopes = vec![Scope::default(); PLACES.len()];
            scopes[narrower] = narrow.clone();
            scopes[wider] = wide.clone();
            check(&scopes, &format!("{} and {}", PLACES[narrower], PLACES[wider]));
        }
    }
}

fn option_201(data: &[u8]) -> Scope {
    giving(OptionSet([(201, data.into())].into()))
}

#[test]
fn the_narrower_of_two_scopes_decides_an_option() {
    each_pair(&option_201(b"narrow"), &option_201(b"wide"), |scopes, pair| {
        assert_eq!(option(&told(scopes, &[201]), 201), Some(&b"narrow"[..]), "{pair}");
    });
}

#[test]
fn an_empty_option_takes_that_of_a_wider_scope_back() {
    each_pair(&option_201(b""), &option_201(b"wide"), |scopes, pair| {
        assert_eq!(option(&told(scopes, &[201]), 201), None, "{pair}");
        assert_eq!(option(&told(scopes, &[]), 201), None, "{pair}");
    });
}

#[test]
fn the_narrower_of_two_scopes_decides_what_to_boot() {
    let booting = |n: u8, text: &str| Scope {
        boot: Boot {
            next_server: Some([10, 0, 0, n].into()),
            server_name: Some(text.into()),
            file: Some(format!("{text}.efi").into()),
        },
        ..Scope::default()
    };
    each_pair(&booting(1, "narrow"), &booting(2, "wide"), |scopes, pair| {
        let reply = told(scopes, &[code::BOOTFILE_NAME, code::TFTP_SERVER_NAME]);
        assert_eq!(
            (reply.siaddr, &*reply.sname, &*reply.file),
            ([10, 0, 0, 1].into(), "narrow", "narrow.efi"),
            "{pair}"
        );
        assert_eq!(option(&reply, code::BOOTFILE_NAME), Some(&b"narrow.efi"[..]), "{pair}");
        assert_eq!(option(&reply, code::TFTP_SERVER_NAME), Some(&b"narrow"[..]), "{pair}");
    });
}

#[test]
fn the_narrower_of_two_scopes_decides_the_lease_time_and_its_range() {
    let lasting = |default, min, max| Scope {
        lease_secs: LeaseTimes { default: Some(default), min: Some(min), max: Some(max) },
        ..Scope::default()
    };
    each_pair(&lasting(1000, 500, 2000), &lasting(100, 50, 200), |scopes, pair| {
        let mut server = serving(scopes);
        let mut asked = |secs: Option<u32>| {
            let message = discover(1);
            let message = match secs {
                Some(secs) => message.with(code::IP_ADDRESS_LEASE_TIME, secs.to_be_bytes()),
                None => message,
            };
            lease_secs(server.hear(&message).reply())
        };
        let given = [asked(None), asked(Some(1)), asked(Some(1500)), asked(Some(9000))];
        assert_eq!(given, [Some(1000), Some(500), Some(1500), Some(2000)], "{pair}");
    });
}

#[test]
fn the_narrower_of_two_scopes_decides_whether_an_option_is_sent_unasked_or_not_at_all() {
    let always = |data: &[u8]| Scope { always: vec![201], ..option_201(data) };
    let never = Scope { never: vec![201], ..Scope::default() };
    each_pair(&never, &always(b"it"), |scopes, pair| {
        for asking in [&[][..], &[1], &[201]] {
            assert_eq!(option(&told(scopes, asking), 201), None, "{pair}");
        }
    });
    each_pair(&always(b"it"), &never, |scopes, pair| {
        for asking in [&[][..], &[1], &[201]] {
            assert_eq!(option(&told(scopes, asking), 201), Some(&b"it"[..]), "{pair}");
        }
    });
    each_pair(&Scope { always: vec![201], ..Scope::default() }, &option_201(b"wide"), |scopes, pair| {
        assert_eq!(option(&told(scopes, &[1]), 201), Some(&b"wide"[..]), "{pair}");
    });
}

#[test]
fn rfc3442_the_default_route_is_by_the_router_that_wins() {
    let set =
        |list: &[(u8, &[u8])]| giving(OptionSet(list.iter().map(|(code, data)| (*code, (*data).into())).collect()));
    let lan = [8, 10, 192, 168, 30, 2];
    let with_default = [8, 10, 192, 168, 30, 2, 0, 192, 168, 30, 9];
    let routes = |scopes: &[Scope]| {
        let reply = told(scopes, &[code::CLASSLESS_STATIC_ROUTE, code::ROUTER]);
        option(&reply, code::CLASSLESS_STATIC_ROUTE).map(<[u8]>::to_vec)
    };
    each_pair(
        &set(&[(code::ROUTER, &[192, 168, 30, 9])]),
        &set(&[(code::CLASSLESS_STATIC_ROUTE, &lan)]),
        |scopes, pair| {
            assert_eq!(routes(scopes).unwrap(), with_default, "{pair}");
        },
    );
    each_pair(
        &set(&[(code::CLASSLESS_STATIC_ROUTE, &lan)]),
        &set(&[(code::ROUTER, &[192, 168, 30, 9])]),
        |scopes, pair| {
            assert_eq!(routes(scopes).unwrap(), with_default, "{pair}");
        },
    );
    each_pair(
        &set(&[(code::CLASSLESS_STATIC_ROUTE, &with_default)]),
        &set(&[(code::ROUTER, &[192, 168, 30, 1])]),
        |scopes, pair| assert_eq!(routes(scopes).unwrap(), with_default, "{pair}: it has a default route"),
    );
    each_pair(&set(&[(code::ROUTER, &[])]), &set(&[(code::CLASSLESS_STATIC_ROUTE, &lan)]), |scopes, pair| {
        assert_eq!(routes(scopes).unwrap(), lan, "{pair}: the router is taken back");
    });
}

#[test]
fn what_follows_from_the_subnet_gives_way_to_every_scope() {
    let plain = told(&vec![Scope::default(); PLACES.len()], &[code::SUBNET_MASK, code::BROADCAST_ADDRESS]);
    assert_eq!(option(&plain, code::SUBNET_MASK), Some(&[255, 255, 255, 0][..]));
    assert_eq!(option(&plain, code::BROADCAST_ADDRESS), Some(&[192, 168, 30, 255][..]));
    for place in 0..PLACES.len() {
        let mut scopes = vec![Scope::default(); PLACES.len()];
        scopes[place].options.0.insert(code::SUBNET_MASK, [255, 255, 0, 0].into());
        scopes[place].never = vec![code::BROADCAST_ADDRESS];
        let reply = told(&scopes, &[code::SUBNET_MASK, code::BROADCAST_ADDRESS]);
        assert_eq!(option(&reply, code::SUBNET_MASK), Some(&[255, 255, 0, 0][..]), "{}", PLACES[place]);
        assert_eq!(option(&reply, code::BROADCAST_ADDRESS), None, "{}", PLACES[place]);
    }
}

#[test]
fn a_pools_scope_is_for_the_addresses_of_that_pool() {
    let one = Pool { scope: option_201(b"one"), ..range(FIRST, FIRST) };
    let other = Pool { scope: option_201(b"other"), ..range(SECOND, SECOND) };
    let mut server = Server::new(settings([Subnet { pools: vec![other, one], ..subnet() }]));
    let mut told = |message: &ClientMessage| {
        let reply = server.hear(message).reply().clone();
        (reply.yiaddr, option(&reply, 201).map(<[u8]>::to_vec))
    };
    let wanting = |n, address: Ipv4Addr| discover(n).with(code::REQUESTED_IP_ADDRESS, address.octets());
    assert_eq!(told(&wanting(1, FIRST)), (FIRST, Some(b"one".to_vec())));
    assert_eq!(told(&wanting(2, SECOND)), (SECOND, Some(b"other".to_vec())));
    assert_eq!(told(&inform(3, SECOND)), (ZERO, Some(b"other".to_vec())), "INFORM by the address that it has");
    assert_eq!(told(&inform(4, [192, 168, 30, 50].into())), (ZERO, None));
}

fn scope() -> impl Strategy<Value = Scope> {
    let data = proptest::collection::vec(any::<u8>(), 0..3);
    let options =
        proptest::collection::btree_map(prop_oneof![Just(3_u8), Just(15), 66..68_u8, 200..206_u8], data, 0..4);
    let codes = || proptest::collection::vec(200..206_u8, 0..3);
    let text = || proptest::option::weighted(0.2, "[a-z]{0,3}".prop_map(Box::from));
    let secs = || proptest::option::weighted(0.2, 1_u32..100);
    let next_server = proptest::option::weighted(0.2, any::<[u8; 4]>().prop_map(Ipv4Addr::from));
    (options, codes(), codes(), next_server, text(), text(), (secs(), secs(), secs())).prop_map(
        |(options, always, never, next_server, server_name, file, (a, b, c))| {
            // What a configuration has in one place goes together.
            let mut times: Vec<u32> = [a, b, c].into_iter().flatten().collect();
            times.sort_unstable();
            let mut times = times.into_iter();
            let [min, default, max] = [a, b, c].map(|at| at.and_then(|_| times.next()));
            Scope {
                options: OptionSet(options.into_iter().map(|(code, data)| (code, data.into())).collect()),
                always,
                never,
                boot: Boot { next_server, server_name, file },
                lease_secs: LeaseTimes { default, min, max },
                ..Scope::default()
            }
        },
    )
}

/// What the printed order makes of the options: every code that is sent, with its data.
fn expected(scopes: &[Scope], asking: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let order: Vec<&Scope> = printed().into_iter().map(|place| &scopes[place]).collect();
    let data = |wanted: u8| {
        order.iter().find_map(|scope| {
            let field = match wanted {
                66 => scope.boot.server_name.as_ref(),
                67 => scope.boot.file.as_ref(),
                _ => None,
            };
            let set = scope.options.0.get(&wanted).map(|data| data.to_vec());
            set.or(field.map(|text| text.as_bytes().to_vec()))
        })
    };
    let when = |wanted: u8| {
        order.iter().find_map(|scope| match (scope.never.contains(&wanted), scope.always.contains(&wanted)) {
            (true, _) => Some("never"),
            (_, true) => Some("always"),
            _ => None,
        })
    };
    let sent =
        |wanted: &u8| when(*wanted) != Some("never") && (asking.contains(wanted) || when(*wanted) == Some("always"));
    let all = (0..=254_u8).filter(sent);
    all.filter_map(|wanted| Some((wanted, data(wanted)?))).filter(|(_, data)| !data.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_printed_order_always_holds(
        scopes in proptest::collection::vec(scope(), 7),
        asking in proptest::collection::vec(prop_oneof![Just(3_u8), Just(15), 66..68_u8, 200..206_u8], 1..8),
    ) {
        let reply = told(&scopes, &asking);
        let order: Vec<&Scope> = printed().into_iter().map(|place| &scopes[place]).collect();
        let own = [1, 51, 58, 59];
        let sent: BTreeMap<u8, Vec<u8>> = reply.options.iter().filter(|(code, _)| !own.contains(code))
            .map(|(code, data)| (code, data.to_vec())).collect();
        prop_assert_eq!(sent, expected(&scopes, &asking));
        let asked: Vec<u8> = reply.options.iter().map(|(code, _)| code).filter(|code| asking.contains(code)).collect();
        let mut listed: Vec<u8> = Vec::new();
        asking.iter().filter(|code| asked.contains(code)).for_each(|code| if !listed.contains(code) { listed.push(*code) });
        prop_assert_eq!(asked, listed, "in the order of the request list");
        let boot = |said: &dyn Fn(&Boot) -> Option<String>| order.iter().find_map(|scope| said(&scope.boot)).unwrap_or_default();
        prop_assert_eq!(&*reply.file, boot(&|boot| boot.file.as_deref().map(str::to_owned)));
        prop_assert_eq!(&*reply.sname, boot(&|boot| boot.server_name.as_deref().map(str::to_owned)));
        let next = order.iter().find_map(|scope| scope.boot.next_server);
        prop_assert_eq!(reply.siaddr, next.unwrap_or(ZERO));
        let times = LeaseTime::of(order.iter().map(|scope| scope.lease_secs));
        prop_assert!(times.min <= times.default && times.default <= times.max, "{:?}", times);
        // The time given without a wish is the narrowest scope's; only a narrower scope's bounds can move it.
        let given = lease_secs(&reply).unwrap();
        let with_time = order.iter().position(|scope| scope.lease_secs.default.is_some());
        let bounds = &order[..with_time.map_or(order.len(), |place| place + 1)];
        let unbound = bounds.iter().all(|scope| scope.lease_secs.min.is_none() && scope.lease_secs.max.is_none());
        if unbound {
            prop_assert_eq!(given, with_time.map_or(43_200, |place| order[place].lease_secs.default.unwrap()));
        }
    }
}
