//! Zones and their records: those of embedded zones from what is published, of others what this server keeps there.

use std::path::Path;
use std::sync::Arc;

use ddns::settings::{Settings, ZoneServer};
use ddns::wanted::RowKey;
use dns::{Fqdn, RecordType, Rrset, Soa};
use web::Refusal;
use web::model::{RecordRow, Records, RecordsQuery, WINDOW, Zone, ZoneCopy, ZoneServer as ServerRow, Zones};
use zones::zone_id;

use super::desk::Desk;
use super::names::{name_of, type_of, wanted};
use super::shown;
use crate::control::{ZoneCopyView, ZoneServersView};
use crate::static_records::{Made, MadeFor};

impl Desk {
    pub(super) async fn zones(&self) -> Result<Zones, Refusal> {
        let health = self.parts.responder.servers().await.ok_or(Refusal::Ending)?;
        let published = self.parts.zones.load_full();
        let copies = self.parts.responder.copies().await;
        let is_copy = |id: &Fqdn| copies.iter().any(|copy| copy.zone == id.to_string());
        let own = published.zones().into_iter().filter(|zone| !is_copy(zone.id()));
        let mut zones: Vec<Zone> = own
            .map(|zone| {
                // What waits, waits for the zone that names of leases are decided in.
                let is_home = published.home(zone.apex()) == zone.id();
                let view = health.iter().find(|view| is_home && view.zone == zone.apex().to_string());
                let (serial, names) = (Some(zone.serial()), Some(zone.name_count()));
                Zone { serial, names, embedded: true, role: "primary".to_owned(), ..zone_of(zone.id(), view) }
            })
            .collect();
        for view in &health {
            let Ok(apex) = view.zone.parse::<Fqdn>() else { continue };
            if published.ids_of(&apex).iter().all(|id| published.get(id).is_none()) {
                zones.push(zone_of(&apex, Some(view)));
            }
        }
        for copy in copies {
            let Ok(apex) = copy.zone.parse::<Fqdn>() else { continue };
            let (serial, names) = (copy.serial, copy.names);
            let role = "secondary".to_owned();
            zones.push(Zone { serial, names, embedded: true, role, copy: Some(copy_of(copy)), ..zone_of(&apex, None) });
        }
        zones.sort_by(|one, other| (one.reverse, &one.apex, &one.id).cmp(&(other.reverse, &other.apex, &other.id)));
        Ok(Zones { zones })
    }

    pub(super) async fn records(&self, apex: &str, query: RecordsQuery) -> Result<Records, Refusal> {
        let apex = name_of(apex)?;
        let settings = self.name_settings().await?;
        let published = self.parts.zones.load_full();
        if published.get(&apex).is_some() {
            return self.embedded_records(apex, query, &settings).await;
        }
        let remote = settings.zones.iter().any(|zone| zone.apex == apex && zone.server != ZoneServer::Embedded);
        if !remote {
            return Err(Refusal::NotFound(format!("names are kept in no zone {}", shown(&apex))));
        }
        self.kept_records(apex, query, settings).await
    }

    async fn embedded_records(&self, apex: Fqdn, query: RecordsQuery, settings: &Settings) -> Result<Records, Refusal> {
        let zones = self.parts.zones.load_full();
        let text = query.q.trim().to_lowercase();
        let (offset, limit) = (query.offset, query.limit.unwrap_or(WINDOW).min(WINDOW));
        let read_apex = apex.clone();
        let made = self.made().await?;
        let of_zone = MadeFor::zone(&self.parts.config.load(), &apex);
        // A zone of some 100,000 names is read for as long as an answer to others would have to wait.
        let read = tokio::task::spawn_blocking(move || {
            let Some(zone) = zones.get(&read_apex) else { return (0, Vec::new()) };
            let mut total = 0;
            let mut window: Vec<(Fqdn, RecordType, RecordRow)> = Vec::new();
            let soa = soa_words(&zone.soa().0);
            for set in zone.rrsets() {
                for mut row in rows_of(&set, (&made, &of_zone)) {
                    if set.rtype == RecordType::SOA {
                        row.data.clone_from(&soa);
                    }
                    if !text.is_empty() && !finds(&row, &text) {
                        continue;
                    }
                    if total >= offset && window.len() < limit {
                        window.push((set.name.clone(), set.rtype, row));
                    }
                    total += 1;
                }
            }
            (total, window)
        });
        let (total, window) = read.await.map_err(|_| Refusal::Ending)?;
        let keys: Vec<Option<RowKey>> = window.iter().map(|(name, ..)| settings.key_of(name)).collect();
        let leased = self.look_at_names(move |reconciler, _| -> Vec<bool> {
            let is_wanted = |key: &RowKey| reconciler.row(key).is_some_and(|row| row.row.want.is_some());
            keys.iter().map(|key| key.as_ref().is_some_and(is_wanted)).collect()
        });
        let leased = leased.await?;
        let config = self.parts.config.load();
        let dns = &config.dns;
        let configured = dns.zones.iter().find(|zone| zone.sight.id == apex);
        let is_copy = dns.secondary.iter().any(|zone| zone.sight.id == apex);
        let rows = window.into_iter().zip(leased).map(|((name, rtype, row), leased)| {
            let written = configured.is_some_and(|zone| zone.records.has(&name, rtype));
            let of_zone = matches!(rtype, RecordType::SOA | RecordType::NS) && name == zone_id::apex(&apex);
            let origin = match () {
                () if is_copy => "primary",
                () if written => "configuration",
                () if of_zone || dns.own_names.contains(&name) => "zone",
                () if leased => "lease",
                () => "update",
            };
            RecordRow { origin: origin.to_owned(), ..row }
        });
        Ok(Records { apex: shown(&apex), whole: true, total, offset: offset.min(total), rows: rows.collect() })
    }

    async fn made(&self) -> Result<Made, Refusal> {
        let file = self.parts.config.load().web.as_ref().map(|web| web.file.clone()).filter(|file| !file.is_empty());
        let Some(file) = file else { return Ok(Made::default()) };
        tokio::task::spawn_blocking(move || Made::beside(Path::new(&*file))).await.map_err(|_| Refusal::Ending)
    }

    /// What this server keeps at another one.
    async fn kept_records(&self, apex: Fqdn, query: RecordsQuery, settings: Arc<Settings>) -> Result<Records, Refusal> {
        let (made, remote) = (self.made().await?, MadeFor::remote());
        let text = query.q.trim().to_lowercase();
        let limit = query.limit.unwrap_or(WINDOW).min(WINDOW);
        let asked = apex.clone();
        let mut rows = self
            .look_at_names(move |reconciler, _| -> Vec<RecordRow> {
                let of_zone = reconciler.rows().filter(|row| row.apex == Some(&asked));
                let held = of_zone.filter(|row| row.stage == ddns::reconcile::Stage::Done);
                held.filter_map(|row| {
                    let want = row.row.want.as_ref()?;
                    if let (RowKey::Stated(name, rtype), Some(data)) = (&row.row.key, want.identity.stated()) {
                        let origin = || "configuration".to_owned();
                        let set = Rrset { name: name.clone(), rtype: *rtype, ttl: want.ttl_secs, rdata: data.to_vec() };
                        return Some(
                            rows_of(&set, (&made, &remote)).map(|row| RecordRow { origin: origin(), ..row }).collect(),
                        );
                    }
                    Some(vec![RecordRow {
                        name: shown(&settings.owner_of(&row.row.key)),
                        rtype: type_of(&row.row.key),
                        ttl: want.ttl_secs,
                        data: wanted(&row.row.key, want),
                        origin: "lease".to_owned(),
                        made: false,
                    }])
                })
                .flatten()
                .filter(|row| text.is_empty() || finds(row, &text))
                .collect()
            })
            .await?;
        rows.sort_by(|one, other| (&one.name, &one.rtype).cmp(&(&other.name, &other.rtype)));
        let (total, offset) = (rows.len(), query.offset.min(rows.len()));
        let rows = rows.into_iter().skip(offset).take(limit).collect();
        Ok(Records { apex: shown(&apex), whole: false, total, offset, rows })
    }
}

fn zone_of(id: &Fqdn, view: Option<&ZoneServersView>) -> Zone {
    let servers = view.map_or_else(Vec::new, |view| {
        let servers = view.servers.iter().map(|server| ServerRow {
            server: server.server.clone(),
            standing: server.standing.clone(),
            failing_since: server.failing_since,
            answered_at: server.answered_at,
            next_try_secs: server.next_try_secs,
            state: server.state.clone(),
        });
        servers.collect()
    });
    let name = shown(&zone_id::apex(id));
    Zone {
        id: shown(id),
        views: zone_id::views(id),
        reverse: name.ends_with("in-addr.arpa") || name.ends_with("ip6.arpa"),
        apex: name,
        embedded: false,
        serial: None,
        names: None,
        queued: view.map_or(0, |view| view.queued),
        servers,
        role: "remote".to_owned(),
        copy: None,
    }
}

fn copy_of(view: ZoneCopyView) -> ZoneCopy {
    let ZoneCopyView { state, primaries, primary, checked_at, next_at, expires_at, error, .. } = view;
    ZoneCopy { state, primaries, primary, checked_at, next_at, expires_at, error }
}

/// A row for each record of a set; who put it there is found out for those that are told.
fn rows_of<'s>(set: &'s Rrset, (made, zone): (&'s Made, &'s MadeFor)) -> impl Iterator<Item = RecordRow> + 's {
    set.rdata.iter().map(|data| RecordRow {
        made: made.has(zone, &set.name, set.rtype, data),
        name: shown(&set.name),
        rtype: set.rtype.to_string(),
        ttl: set.ttl,
        data: data.words(set.rtype),
        origin: String::new(),
    })
}

fn finds(row: &RecordRow, text: &str) -> bool {
    row.name.to_lowercase().contains(text)
        || row.data.to_lowercase().contains(text)
        || row.rtype.eq_ignore_ascii_case(text)
}

/// As in a master file.
fn soa_words(soa: &Soa) -> String {
    let Soa { mname, rname, serial, refresh, retry, expire, minimum } = soa;
    format!("{mname} {rname} {serial} {refresh} {retry} {expire} {minimum}")
}
