//! `leasehold check --online`: a wrong key or an unknown zone is told now, not with the first name hours later.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use ddns::cuts::{Cut, Quest, Seeks};
use ddns::reconcile::Outcome;
use ddns::settings::{Settings, ZoneRoute, ZoneServer};
use dns::Fqdn;

use crate::clock::machine_wall_secs;
use crate::ddns_client::cuts::{self, Open};
use crate::ddns_client::discover::{DiscoverError, Preflight, PreflightReport, Verdict, preflight};
use crate::ddns_client::{Timing, UpdateClient};

/// Asks where the zones begin, as the daemon does, and then every server of each zone, and prints what each says. The
/// exit code is 1 when something is not ready.
pub(super) fn ask_servers(settings: &Settings) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let verdicts = runtime.block_on(async {
        let client = Arc::new(UpdateClient::new(Arc::new(machine_wall_secs), Timing::default()));
        let answers = cuts::ask(&client, settings.quests.clone()).await;
        let mut verdicts: Vec<Verdict> = Vec::new();
        for line in elsewhere(settings, &answers) {
            println!("{}: {line}", Verdict::Ready);
        }
        for (quest, answer) in settings.quests.iter().zip(&answers) {
            if let Some((verdict, words)) = found(quest, answer) {
                println!("{verdict}: {words}");
                verdicts.push(verdict);
            }
        }
        let mut silent = HashSet::new();
        for zone in zones(settings, &answers) {
            verdicts.extend(each_server(&client, &zone, &mut silent).await);
        }
        verdicts
    });
    Ok(if verdicts.contains(&Verdict::NotReady) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The zones that hold what is written otherwise. The 256 parts of a /16 make one line.
fn elsewhere(settings: &Settings, answers: &[Result<Cut, Open>]) -> Vec<String> {
    let mut held: BTreeMap<&Fqdn, Vec<&Fqdn>> = BTreeMap::new();
    for (quest, answer) in settings.quests.iter().zip(answers) {
        let (Seeks::Zone(name), Ok(Cut::Zone(apex))) = (&quest.seeks, answer) else { continue };
        let written = settings.zones.iter().any(|zone| zone.apex == *apex);
        let writes_otherwise = settings.zones.iter().any(|zone| zone.apex == *name);
        if apex != name && (writes_otherwise || !written) {
            held.entry(apex).or_default().push(name);
        }
    }
    let line = |(apex, names): (&Fqdn, Vec<&Fqdn>)| match names.as_slice() {
        [name] => format!("{name} is held by the zone {apex}: its updates go there"),
        [name, more @ ..] => {
            format!("{name} and {} more are held by the zone {apex}: their updates go there", more.len())
        }
        [] => String::new(),
    };
    held.into_iter().map(line).collect()
}

/// What is to be said of one quest; nothing where all is as it is written, or where the servers will be asked one by one.
fn found(quest: &Quest, answer: &Result<Cut, Open>) -> Option<(Verdict, String)> {
    let told = match (&quest.seeks, answer) {
        (Seeks::Classless(prefix), Ok(Cut::Classless { apex, parent })) => (
            Verdict::Ready,
            format!("the PTR records of {prefix} stand beneath {parent} (RFC 2317), in the zone {apex}"),
        ),
        (Seeks::Zone(name), Ok(Cut::Nowhere)) if !quest.written => {
            (Verdict::NotReady, format!("no zone of the server holds {name}: make one, or write a [[zone]] for it"))
        }
        (_, Ok(_)) | (Seeks::Zone(_), Err(Open::Silent(_))) => return None,
        (Seeks::Classless(prefix), Err(open @ Open::Silent(_))) => {
            (Verdict::NotReady, format!("where the PTR records of {prefix} stand is not known: {open}"))
        }
        (_, Err(open)) => (Verdict::NotReady, format!("{}: {open}", quest.name())),
    };
    Some(told)
}

/// The zones that would be updated, and those whose servers did not say where they are.
fn zones(settings: &Settings, answers: &[Result<Cut, Open>]) -> Vec<ZoneRoute> {
    let cuts: Vec<Option<Cut>> = answers.iter().map(|answer| answer.as_ref().ok().cloned()).collect();
    let mut zones = settings.resolved(&cuts).zones.to_vec();
    for (quest, answer) in settings.quests.iter().zip(answers) {
        let (Seeks::Zone(name), Err(Open::Silent(_))) = (&quest.seeks, answer) else { continue };
        let known = |apex: &Fqdn| zones.iter().any(|zone| zone.apex == *apex && zone.server == quest.server);
        if !known(name) {
            zones.push(ZoneRoute { apex: name.clone(), server: quest.server.clone() });
        }
    }
    zones
}

/// Those that come after the first take over when it is gone: too late to learn then that they do not know the key.
/// A server that was silent once is not waited for again: a /16 alone can have 256 parts to ask about.
async fn each_server(client: &UpdateClient, zone: &ZoneRoute, silent: &mut HashSet<SocketAddr>) -> Vec<Verdict> {
    let ZoneServer::Remote { servers, auth } = &zone.server else { return Vec::new() };
    let mut verdicts = Vec::new();
    for &server in servers.iter() {
        if silent.contains(&server) {
            // Its silence was told already; the parts of a /16 would tell it 256 times.
            if !zone.apex.is_reverse() {
                println!(
                    "{}: zone {}: {server} gave no answer before, and is not asked again",
                    Verdict::NotReady,
                    zone.apex
                );
            }
            verdicts.push(Verdict::NotReady);
            continue;
        }
        let result = preflight(client, server, auth, &zone.apex).await;
        let verdict = result.verdict();
        if matches!(result, Preflight::NotServed(DiscoverError::NoAnswer { .. })) {
            silent.insert(server);
        }
        let report = PreflightReport { server, auth, apex: &zone.apex, result: &result };
        println!("{verdict}: {report}");
        // Kerberos' own words beside ours: whoever looks for help looks for these.
        if let Preflight::Refused(Outcome::Kerberos(_)) = result
            && let Some(words) = client.trouble(server, auth).await
        {
            println!("    Kerberos says: {words}");
        }
        verdicts.push(verdict);
    }
    verdicts
}
