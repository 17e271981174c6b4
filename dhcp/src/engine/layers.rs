//! Which scope wins: the one place that decides it. Everything that a client is given beside its address is asked of
//! [`Layers`], which knows the scopes that apply to one client in one subnet, the narrowest first.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;

use dns::{Bytes, Naming};

use super::book::Book;
use super::exchange::Exchange;
use super::naming::Rules;
use super::plan::Plan;
use super::wide::Wide;
use crate::class::ClassId;
use crate::few::Few;
use crate::options::vendor::data_for;
use crate::options::{self, IPV6_ONLY_WAIT_SECS_MIN, OptionData, code};
use crate::settings::{LeaseTime, Pool, Scope, Settings, Subnet};

/// The kinds of place in a configuration that can give something to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// The client's reservation.
    Reservation,
    /// A class that the client is of. Among several, the one declared first wins.
    Class,
    /// The pool that holds its address.
    Pool,
    /// The subnet of its address.
    Subnet,
    /// The shared network of that subnet.
    SharedNetwork,
    /// The server.
    Server,
}

impl Level {
    /// The order in which they win: whatever an earlier one says, a later one cannot say otherwise.
    pub const ORDER: [Self; 6] =
        [Self::Reservation, Self::Class, Self::Pool, Self::Subnet, Self::SharedNetwork, Self::Server];

    /// [`Level::ORDER`] in one line, as the reference quotes it.
    #[must_use]
    pub fn order() -> String {
        Self::ORDER.map(|level| level.to_string()).join(" > ")
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reservation => "reservation",
            Self::Class => "class",
            Self::Pool => "pool",
            Self::Subnet => "subnet",
            Self::SharedNetwork => "shared network",
            Self::Server => "server",
        })
    }
}

/// Where something that a client is given comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A scope of this level, other than a class's.
    Level(Level),
    /// The scope of this class.
    Class(ClassId),
    /// No scope: it follows from the subnet's prefix or its domain.
    Derived,
}

/// What follows from a subnet by itself, made ready once.
#[derive(Debug)]
pub(super) struct Ground {
    mask: [u8; 4],
    /// None on a link of two (RFC 3021) or one.
    broadcast: Option<[u8; 4]>,
    /// Option 15, where no scope has one: the domain that names are put under.
    domain: Option<Box<[u8]>>,
    /// Option 6, where the scope that decides says that it is this server.
    own_dns: Option<[u8; 4]>,
    /// First and last address and pool, sorted; only of pools that give something.
    pools: Box<[(Ipv4Addr, Ipv4Addr, usize)]>,
    /// The rules of names in each pool, where a pool has any.
    naming: Box<[Option<Naming>]>,
    /// What the subnet and what is wider give, where that is the same for every client.
    wide: Option<Wide>,
}

fn made<'d>(data: impl Into<Bytes>) -> OptionData<'d> {
    OptionData::Made(data.into())
}

/// A domain as option 15 has it.
fn domain_data(naming: &Naming) -> Box<[u8]> {
    let domain = naming.domain.to_string();
    options::domain_name(domain.strip_suffix('.').unwrap_or(&domain))
}

impl Ground {
    pub(super) fn new(settings: &Settings, subnet: &Subnet) -> Self {
        let giving = subnet.pools.iter().enumerate().filter(|(_, pool)| !pool.scope.is_empty());
        let mut pools: Vec<_> = giving
            .flat_map(|(place, pool)| pool.ranges.iter().map(move |range| (range.first, range.last, place)))
            .collect();
        pools.sort_unstable();
        let of_pool =
            |pool: &Pool| settings.naming(subnet, pool.scope.naming.as_deref().into_iter()).map(Cow::into_owned);
        let has_rules = subnet.pools.iter().any(|pool| pool.scope.naming.is_some());
        let naming = subnet.pools.iter().filter(|_| has_rules).map(of_pool).collect();
        let mut ground = Self {
            mask: subnet.prefix.netmask().octets(),
            broadcast: (subnet.prefix.prefix_len() < 31).then(|| subnet.prefix.broadcast().octets()),
            domain: subnet.naming.as_ref().map(domain_data),
            own_dns: subnet.own_dns_address.map(|address| address.octets()),
            pools: pools.into(),
            naming,
            wide: None,
        };
        ground.wide = Layers::wide(settings, subnet, &ground).map(|layers| Wide::new(&layers));
        ground
    }

    /// The rules of names in one of the subnet's pools, or outside of them.
    pub(super) fn naming<'s>(&'s self, subnet: &'s Subnet, pool: Option<usize>) -> Option<&'s Naming> {
        match pool.and_then(|pool| self.naming.get(pool)) {
            Some(of_pool) => of_pool.as_ref(),
            None => subnet.naming.as_ref(),
        }
    }

    /// The pool that holds an address, if that pool gives something.
    pub(super) fn pool(&self, address: Ipv4Addr) -> Option<usize> {
        let after = self.pools.partition_point(|(first, ..)| *first <= address);
        let (_, last, pool) = self.pools.get(after.checked_sub(1)?)?;
        (address <= *last).then_some(*pool)
    }
}

/// The scopes that apply to a client, the narrowest first; those that give nothing are left out.
#[derive(Debug)]
pub(super) struct Layers<'a> {
    layers: Few<Layer<'a>, 6>,
    /// Options that a layer has for clients of this one's vendor: the layer's place, the code and the data.
    vendor: Vec<(usize, u8, Box<[u8]>)>,
    ground: &'a Ground,
    /// Option 15 where no scope has one, and where something narrower than the subnet puts names under another domain.
    domain: Option<Box<[u8]>>,
    /// What they come to, where nothing narrower than the subnet says anything: then no layer stands above.
    wide: Option<&'a Wide>,
}

/// The layers of every client of a subnet: its own, its shared network's and the server's.
fn add_wide<'a>(settings: &'a Settings, subnet: &'a Subnet, layers: &mut Few<Layer<'a>, 6>) {
    let network = subnet.network.and_then(|network| settings.networks.get(usize::from(network.0)));
    let wide = [
        Some((Level::Subnet, &subnet.scope)),
        network.map(|network| (Level::SharedNetwork, &network.scope)),
        Some((Level::Server, &settings.scope)),
    ];
    for (level, scope) in wide.into_iter().flatten().filter(|(_, scope)| !scope.is_empty()) {
        layers.push(Some((Source::Level(level), scope)));
    }
}

/// A scope that applies; none fills up what is not used of the list.
type Layer<'a> = Option<(Source, &'a Scope)>;

/// What each layer has in options 43 and 125 for the client's vendor.
fn of_vendor(layers: &[Layer<'_>], exchange: &Exchange<'_>) -> Vec<(usize, u8, Box<[u8]>)> {
    let mut out = Vec::new();
    let with_place = layers.iter().flatten().enumerate();
    for (place, (_, scope)) in with_place.filter(|(_, (_, scope))| !scope.vendor.is_empty()) {
        for wanted in [code::VENDOR_SPECIFIC_INFORMATION, code::VENDOR_IDENTIFYING_VENDOR_SPECIFIC] {
            out.extend(data_for(&scope.vendor, wanted, exchange.message).map(|data| (place, wanted, data)));
        }
    }
    out
}

impl<'a> Layers<'a> {
    /// Those of a client that has `address` in the subnet `place`, or is to have it.
    pub(super) fn of(book: &'a Book, exchange: &Exchange<'_>, place: usize, address: Ipv4Addr) -> Self {
        let plan: &Plan = &book.plan;
        let (subnet, ground) = (plan.subnet(place), plan.ground(place));
        let reserved = plan.reservation_for(place, exchange.client());
        let mut layers = Few::default();
        // Most clients: nothing that is narrower than their subnet applies to them.
        if let Some(wide) = &ground.wide
            && reserved.is_none()
            && exchange.classes.is_empty()
            && ground.pools.is_empty()
        {
            return Self { layers, vendor: Vec::new(), ground, domain: None, wide: Some(wide) };
        }
        let mut add = |source, scope: &'a Scope| {
            if !scope.is_empty() {
                layers.push(Some((source, scope)));
            }
        };
        // In the order of `Level::ORDER`.
        if let Some(reserved) = reserved {
            add(Source::Level(Level::Reservation), &reserved.scope);
        }
        for id in exchange.classes.iter() {
            plan.settings.classes.get(id).into_iter().for_each(|class| add(Source::Class(id), &class.scope));
        }
        if let Some(pool) = ground.pool(address).and_then(|pool| subnet.pools.get(pool)) {
            add(Source::Level(Level::Pool), &pool.scope);
        }
        if let (true, Some(wide)) = (layers.is_empty(), &ground.wide) {
            return Self { layers, vendor: Vec::new(), ground, domain: None, wide: Some(wide) };
        }
        add_wide(&plan.settings, subnet, &mut layers);
        let vendor = of_vendor(&layers, exchange);
        let narrower = |source: &Source| *source != Source::Level(Level::Subnet);
        let has_domain = layers
            .iter()
            .flatten()
            .take_while(|(source, _)| narrower(source))
            .any(|(_, scope)| scope.domain().is_some());
        let naming = if has_domain {
            Rules::of(plan, place, exchange.client(), exchange.classes.iter(), address).naming
        } else {
            None
        };
        Self { layers, vendor, ground, domain: naming.as_deref().map(domain_data), wide: None }
    }

    /// Those of every client of a subnet; `None`: they say something that depends on the client's vendor.
    fn wide(settings: &'a Settings, subnet: &'a Subnet, ground: &'a Ground) -> Option<Self> {
        let mut layers = Few::default();
        add_wide(settings, subnet, &mut layers);
        let for_all = layers.iter().flatten().all(|(_, scope)| scope.vendor.is_empty());
        for_all.then(|| Self { layers, vendor: Vec::new(), ground, domain: None, wide: None })
    }

    /// Whether they are those of every client of the subnet.
    pub(super) fn are_wide(&self) -> bool {
        self.wide.is_some()
    }

    fn iter(&self) -> impl Iterator<Item = &(Source, &'a Scope)> {
        self.layers.iter().flatten()
    }

    /// The data of an option and where it comes from. An empty value in a scope takes the option of wider scopes back.
    pub(super) fn find(&self, wanted: u8) -> Option<(Source, &[u8])> {
        if let Some(wide) = self.wide {
            return wide.find(wanted);
        }
        for (place, (source, scope)) in self.iter().enumerate() {
            if let Some(data) = self.said(place, scope, wanted) {
                return (!data.is_empty()).then_some((*source, data));
            }
        }
        let derived = match wanted {
            code::SUBNET_MASK => Some(&self.ground.mask[..]),
            code::BROADCAST_ADDRESS => self.ground.broadcast.as_ref().map(|address| &address[..]),
            code::DOMAIN_NAME => self.domain.as_deref().or(self.ground.domain.as_deref()),
            _ => None,
        };
        derived.map(|data| (Source::Derived, data))
    }

    /// What one scope says of an option; empty when it takes it back.
    fn said<'s>(&'s self, place: usize, scope: &'s Scope, wanted: u8) -> Option<&'s [u8]> {
        if let Some((.., data)) = self.vendor.iter().find(|(layer, code, _)| (*layer, *code) == (place, wanted)) {
            return Some(data);
        }
        if wanted == code::DOMAIN_NAME_SERVER && scope.own_dns {
            return Some(self.ground.own_dns.as_ref().map_or(&[], |address| &address[..]));
        }
        // RFC 2132 sections 9.4 and 9.5: options 66 and 67 stand for 'sname' and 'file'. Clients that look at the
        // options alone are to boot as well.
        let field = || match wanted {
            code::TFTP_SERVER_NAME => scope.boot.server_name.as_deref().map(str::as_bytes),
            code::BOOTFILE_NAME => scope.boot.file.as_deref().map(str::as_bytes),
            _ => None,
        };
        scope.options.0.get(&wanted).map(|data| &**data).or_else(field)
    }

    /// An option as it is sent to this client.
    pub(super) fn value(&self, wanted: u8) -> Option<OptionData<'_>> {
        if let Some(wide) = self.wide {
            return wide.value(wanted).map(OptionData::Lent);
        }
        let (_, data) = self.find(wanted)?;
        match wanted {
            // RFC 8925 section 3.4: "MIN_V6ONLY_WAIT: The lower boundary for V6ONLY_WAIT. Value: 300 seconds".
            code::IPV6_ONLY_PREFERRED => {
                options::read_u32(data).map(|secs| made(secs.max(IPV6_ONLY_WAIT_SECS_MIN).to_be_bytes()))
            }
            // RFC 3442: a client that reads this option ignores the routers, so the default route belongs in it. The
            // two may come from different scopes.
            code::CLASSLESS_STATIC_ROUTE => {
                let router = self.find(code::ROUTER).and_then(|(_, routers)| options::read_first_address(routers));
                Some(made(options::with_default_route(data, router)))
            }
            _ => Some(OptionData::Lent(data)),
        }
    }

    /// What a client without a request list is given: every option that a scope sets, and the subnet's domain. The
    /// broadcast address follows from the mask, and is for those that ask.
    pub(super) fn codes(&self) -> Vec<u8> {
        if let Some(wide) = self.wide {
            return wide.codes.clone();
        }
        let derived = [
            (code::DOMAIN_NAME, self.domain.is_some() || self.ground.domain.is_some()),
            (code::DOMAIN_NAME_SERVER, self.iter().any(|(_, scope)| scope.own_dns)),
        ];
        let configured = self.iter().flat_map(|(_, scope)| scope.options.0.keys().copied());
        let of_vendor = self.vendor.iter().map(|(_, code, _)| *code);
        let mut codes: Vec<u8> = configured
            .chain(of_vendor)
            .chain(derived.into_iter().filter(|(_, is_there)| *is_there).map(|(code, _)| code))
            .collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// Options to send though the client does not ask for them.
    pub(super) fn always(&self) -> Cow<'a, [u8]> {
        if let Some(wide) = self.wide {
            return Cow::Borrowed(&wide.always);
        }
        let mut codes = Vec::new();
        for (place, (_, scope)) in self.iter().enumerate() {
            for &wanted in &scope.always {
                let mut narrower = self.iter().take(place);
                if !codes.contains(&wanted) && !narrower.any(|(_, scope)| scope.never.contains(&wanted)) {
                    codes.push(wanted);
                }
            }
        }
        codes.into()
    }

    /// Whether an option is not to be sent though the client asks for it: so says the narrowest scope that says
    /// anything of when to send it.
    pub(super) fn is_never_sent(&self, wanted: u8) -> bool {
        if let Some(wide) = self.wide {
            return wide.is_never_sent(wanted);
        }
        self.iter()
            .find_map(|(_, scope)| match (scope.never.contains(&wanted), scope.always.contains(&wanted)) {
                (true, _) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
            })
            .unwrap_or(false)
    }

    /// `siaddr`.
    pub(super) fn next_server(&self) -> Option<(Source, Ipv4Addr)> {
        if let Some(wide) = self.wide {
            return wide.next_server;
        }
        self.first(|scope| scope.boot.next_server)
    }

    /// `sname`.
    pub(super) fn server_name(&self) -> Option<(Source, &'a str)> {
        if let Some(wide) = self.wide {
            return wide.server_name.as_ref().map(|(source, name)| (*source, &**name));
        }
        self.first(|scope| scope.boot.server_name.as_deref())
    }

    /// `file`.
    pub(super) fn boot_file(&self) -> Option<(Source, &'a str)> {
        if let Some(wide) = self.wide {
            return wide.boot_file.as_ref().map(|(source, file)| (*source, &**file));
        }
        self.first(|scope| scope.boot.file.as_deref())
    }

    /// The lease time, and the range within which the client's wish is met.
    pub(super) fn lease_time(&self) -> LeaseTime {
        if let Some(wide) = self.wide {
            return wide.lease_time;
        }
        LeaseTime::of(self.iter().map(|(_, scope)| scope.lease_secs))
    }

    fn first<T>(&self, said: impl Fn(&'a Scope) -> Option<T>) -> Option<(Source, T)> {
        self.iter().find_map(|(source, scope)| said(scope).map(|value| (*source, value)))
    }
}
