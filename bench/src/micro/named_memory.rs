//! What leases with names take in memory: in the core, which decides, and in the reconciler, which knows what DNS holds.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;
use ddns::reconcile::{ConfirmedRow, LastAnswer, Reconciler};
use ddns::settings::Settings;
use ddns::wanted::{Claim, Want, WantedRow, WantedTable};
use dhcp::engine::Engine;
use dhcp::lease::{Lease, LeaseName};
use dhcp::time::Now;
use dns::{ConflictGuard, Fqdn, HostIdentity};
use leasehold::core::Core;

use super::resident;

const DOMAIN: &str = "bench.example";

/// The daemon's memory of names, as it is some time after the start.
struct Held {
    core: Core,
    reconciler: Reconciler,
}

/// Prints what each of `count` leases takes, once all their names are in DNS. `lease` makes one without a name.
pub(super) fn memory(count: u32, now: Now, lease: impl Fn(u32) -> Option<Lease>) -> anyhow::Result<()> {
    let empty = held(0, now, &lease)?;
    let before = resident()?;
    let began = Instant::now();
    let full = held(count, now, &lease)?;
    let (spent, after) = (began.elapsed(), resident()?);
    let rows = full.reconciler.rows().filter(|row| row.stage == ddns::reconcile::Stage::Done).count();
    if rows != 2 * count as usize || full.core.wanted().len() != rows {
        bail!("{rows} rows are done, of {count} leases");
    }
    let each = (after - before) / u64::from(count);
    println!(
        "{count} leases with names in DNS: {each} bytes of resident memory each, there after {} ms",
        spent.as_millis()
    );
    drop((empty, full));
    Ok(())
}

fn held(count: u32, now: Now, lease: &impl Fn(u32) -> Option<Lease>) -> anyhow::Result<Held> {
    let (dhcp, ddns) = settings()?;
    let leases = || (0..count).filter_map(|client| Some(named(lease(client)?)));
    let mut began = resident()?;
    let mut told = |what: &str| -> anyhow::Result<()> {
        let now = resident()?;
        if let Some(each) = now.saturating_sub(began).checked_div(count.into()) {
            println!("  {what}: {each} bytes");
        }
        began = now;
        Ok(())
    };
    let mut wanted = WantedTable::default();
    for lease in leases() {
        let claim = lease.name.map(|name| Claim {
            name: name.fqdn,
            identity: name.identity,
            forward: name.forward,
            reverse: name.reverse,
            ttl_secs: name.ttl_secs,
            guard: name.guard,
        });
        let _ = wanted.apply(lease.address.into(), None, claim);
    }
    told("the wanted rows")?;
    let core = Core::with_engine(Engine::new(Arc::new(dhcp), leases(), now), Arc::clone(&ddns), wanted, now);
    told("the engine")?;
    let now = ddns::Now { boot_ms: now.boot_ms, wall_secs: now.wall_secs };
    let confirmed = core.wanted().iter().map(|row| confirmed(&ddns, row, now.wall_secs));
    let reconciler = Reconciler::load(Arc::clone(&ddns), now, core.wanted().iter(), confirmed);
    told("the reconciler's rows")?;
    Ok(Held { core, reconciler })
}

fn named(lease: Lease) -> Lease {
    let label = String::from_utf8_lossy(&lease.hostname).into_owned();
    let identity = lease.client_id.as_ref().map(|id| HostIdentity::from_client_id(&id.0));
    let name = format!("{label}.{DOMAIN}").parse::<Fqdn>().ok().zip(identity).map(|(fqdn, identity)| LeaseName {
        fqdn,
        identity,
        forward: true,
        reverse: true,
        ttl_secs: 1_200,
        guard: ConflictGuard::default(),
    });
    Lease { name, ..lease }
}

fn confirmed(settings: &Settings, row: WantedRow, at: u64) -> ConfirmedRow {
    ConfirmedRow {
        generation: row.generation,
        done: true,
        holds: row.want.as_ref().map(Want::held),
        site: settings.zone_of(&settings.owner_of(&row.key)).map(ddns::settings::ZoneRoute::site),
        last: LastAnswer::Done,
        attempts: 0,
        at,
        unsure: None,
        key: row.key,
    }
}

fn settings() -> anyhow::Result<(dhcp::settings::Settings, Arc<Settings>)> {
    let first = Ipv4Addr::new(10, 0, 0, 16);
    let text = format!(
        "[server]\nstore = \"/nonexistent/store\"\ninterfaces = [\"srv0\"]\n\n[[subnet]]\nprefix = \"10.0.0.0/11\"\n\
         pools = [\"{first}-10.31.255.239\"]\nlease_time = \"1h\"\ndomain = \"{DOMAIN}\"\n\n\
         [[zone]]\nname = \"{DOMAIN}\"\n\n[[zone]]\nprefix = \"10.0.0.0/8\"\n"
    );
    match config::check(&text, "held.toml", &|_: &Path| Err("no file is named".to_owned())) {
        Ok(checked) => Ok((checked.config.dhcp, Arc::new(checked.config.ddns))),
        Err(faults) => bail!("{}", config::render(&faults, &text, false)),
    }
}
