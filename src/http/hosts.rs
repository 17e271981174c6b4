//! Every host that has or had a lease: leases told by who holds them.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use dhcp::identity::HardwareAddress;
use dhcp::lease::{Lease, LeaseState};
use tokio::time::Instant;
use web::Refusal;
use web::model::{HostRow, Hosts, HostsQuery, WINDOW};

use super::desk::{Desk, is_private};
use super::leases::state_word;
use super::shown;
use crate::makers::Makers;

/// For how long a list is kept: while somebody scrolls or types, windows of one list are asked for.
const KEPT: Duration = Duration::from_secs(3);

/// A list of hosts, those last heard of first.
pub(super) type Kept = Option<(Instant, Arc<[HostRow]>)>;

/// What is looked at of a lease.
struct Seen {
    hardware: HardwareAddress,
    address: Ipv4Addr,
    state: LeaseState,
    renewed_at: u64,
    started_at: u64,
    title: Option<String>,
}

impl Desk {
    pub(super) async fn hosts(&self, query: HostsQuery) -> Result<Hosts, Refusal> {
        let all = self.all_hosts().await?;
        let text = query.q.trim().to_lowercase();
        let fits: Vec<&HostRow> = all.iter().filter(|host| text.is_empty() || finds(host, &text)).collect();
        let most = query.limit.unwrap_or(WINDOW).min(WINDOW);
        let rows = fits.iter().skip(query.offset).take(most).map(|host| (*host).clone()).collect();
        Ok(Hosts { total: fits.len(), all: all.len(), offset: query.offset.min(fits.len()), rows })
    }

    /// Made one at a time, so that many askers cost the DHCP service no more than one.
    async fn all_hosts(&self) -> Result<Arc<[HostRow]>, Refusal> {
        let mut kept = self.hosts.lock().await;
        if let Some((made, hosts)) = &*kept
            && made.elapsed() < KEPT
        {
            return Ok(Arc::clone(hosts));
        }
        let (seen, _) = self.pick(|lease| Some(see(lease))).await?;
        let made = tokio::task::spawn_blocking(move || group(seen, Makers::of_this_machine()));
        let hosts: Arc<[HostRow]> = made.await.map_err(|_| Refusal::Ending)?.into();
        *kept = Some((Instant::now(), Arc::clone(&hosts)));
        Ok(hosts)
    }

    /// Who made a host's hardware.
    pub(super) async fn maker(&self, hardware: &str) -> Option<String> {
        let hardware = hardware.to_owned();
        // A list that cannot be read names nobody.
        tokio::task::spawn_blocking(move || Makers::of_this_machine().maker(&hardware).map(str::to_owned)).await.ok()?
    }
}

fn see(lease: &Lease) -> Seen {
    let name = lease.name.as_ref().map(|name| shown(&name.fqdn));
    let said = || (!lease.hostname.is_empty()).then(|| lease.hostname.escape_ascii().to_string());
    Seen {
        hardware: lease.hardware,
        address: lease.address,
        state: lease.state,
        renewed_at: lease.renewed_at,
        started_at: lease.started_at,
        title: name.or_else(said),
    }
}

/// One row for each hardware address: what it holds goes before what it held, and the newest first.
fn group(mut seen: Vec<Seen>, makers: &Makers) -> Vec<HostRow> {
    seen.sort_by_key(|one| std::cmp::Reverse((one.state == LeaseState::Bound, one.renewed_at, one.address)));
    let mut places: HashMap<HardwareAddress, usize> = HashMap::new();
    let mut rows: Vec<HostRow> = Vec::new();
    for one in seen {
        let at = *places.entry(one.hardware).or_insert(rows.len());
        if let Some(row) = rows.get_mut(at) {
            row.addresses += usize::from(one.state == LeaseState::Bound);
            row.first_seen_at = row.first_seen_at.min(one.started_at);
            row.last_seen_at = row.last_seen_at.max(one.renewed_at);
            row.title = row.title.take().or(one.title);
            continue;
        }
        let hardware = one.hardware.to_string();
        rows.push(HostRow {
            private_hardware: is_private(&hardware),
            maker: makers.maker(&hardware).map(str::to_owned),
            hardware,
            title: one.title,
            address: one.address,
            addresses: usize::from(one.state == LeaseState::Bound),
            state: state_word(one.state).to_owned(),
            first_seen_at: one.started_at,
            last_seen_at: one.renewed_at,
        });
    }
    rows.sort_by(|one, other| {
        other.last_seen_at.cmp(&one.last_seen_at).then_with(|| one.hardware.cmp(&other.hardware))
    });
    rows
}

fn finds(host: &HostRow, text: &str) -> bool {
    let has = |value: &Option<String>| value.as_ref().is_some_and(|value| value.to_lowercase().contains(text));
    let digits = |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>();
    let separated = text.chars().all(|one| one.is_ascii_hexdigit() || matches!(one, ':' | '-' | '.'));
    has(&host.title)
        || has(&host.maker)
        || host.address.to_string().contains(text)
        || host.hardware.contains(text)
        || (separated && digits(text).len() >= 4 && digits(&host.hardware).contains(&digits(text)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn seen(hardware: [u8; 6], last: u8, state: LeaseState, renewed_at: u64, title: Option<&str>) -> Seen {
        Seen {
            hardware: HardwareAddress::new(1, &hardware).unwrap(),
            address: Ipv4Addr::new(10, 0, 0, last),
            state,
            renewed_at,
            started_at: renewed_at - 5,
            title: title.map(str::to_owned),
        }
    }

    #[test]
    fn a_host_is_one_row_with_what_it_holds_before_what_it_held() {
        let (phone, nas) = ([2, 0, 0, 0, 0, 1], [0, 0x11, 0x32, 0, 0, 2]);
        let list = vec![
            seen(phone, 1, LeaseState::Expired, 900, Some("phone")),
            seen(phone, 2, LeaseState::Bound, 500, None),
            seen(nas, 3, LeaseState::Bound, 700, Some("nas.home.example")),
        ];
        let rows = group(list, &Makers::parse("001132 Synology\n"));
        let told: Vec<_> = rows.iter().map(|row| (row.address.octets()[3], row.addresses, row.last_seen_at)).collect();
        assert_eq!(told, [(2, 1, 900), (3, 1, 700)]);
        assert_eq!(rows[0].title.as_deref(), Some("phone"), "the name of an older lease is better than none");
        assert_eq!((rows[0].first_seen_at, rows[0].private_hardware), (495, true));
        assert_eq!((rows[1].maker.as_deref(), rows[1].private_hardware), (Some("Synology"), false));
        assert!(finds(&rows[1], "synol") && finds(&rows[1], "0011.32") && finds(&rows[1], "10.0.0.3"));
        assert!(!finds(&rows[0], "synol"));
    }
}
