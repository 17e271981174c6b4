//! Replies made ready for a parameter request list carry what they would carry, put together option by option, also after
//! the settings have changed.
//!
//! A list that is too long to be made ready for asks for the same when it says the same twice: each code is sent once, at
//! its first place. So two servers hear the same clients, the one with a short list, the other with that list drawn out.

use std::sync::Arc;

use dhcp::client::ClientMessage;
use dhcp::decision::{CommitOutcome, Ingress};
use dhcp::engine::Engine;
use dhcp::lease::LeaseName;
use dhcp::message::MessageType;
use dhcp::names::{NameAnswer, NameChooser, NameQuestion};
use dhcp::options::code;
use dhcp::reply::Reply;
use dhcp::settings::{Naming, Settings};
use dhcp::time::Now;

use crate::random::Random;
use crate::settings::{CODES, client_id, hardware};

/// So long a list is put together anew for each reply.
const TOO_LONG: usize = 65;

/// Calls every host as it calls itself.
struct AsTheySay;

impl NameChooser for AsTheySay {
    fn choose(&self, question: &NameQuestion<'_>) -> NameAnswer {
        let label = std::str::from_utf8(question.hostname).unwrap_or_default();
        let name = format!("{label}.example.net").parse().ok().filter(|_| !label.is_empty());
        NameAnswer {
            name: name.map(|fqdn| LeaseName {
                fqdn,
                identity: question.identity.clone(),
                forward: true,
                reverse: true,
                ttl_secs: 600,
                guard: dns::ConflictGuard::default(),
            }),
            client_fqdn: question.client_fqdn.map(|_| [3, 255, 255, 0][..].into()),
            foreign: false,
        }
    }
}

/// Some of what the settings have, of what follows from a lease, and of what nobody has.
fn list(random: &mut Random) -> Vec<u8> {
    let others = [1, 12, 15, 28, 51, 58, 59, 61, 80, 81, 99, 108, 116, 118];
    let any = |random: &mut Random| if random.once_in(2) { *random.pick(&CODES) } else { *random.pick(&others) };
    (0..1 + random.below(12)).map(|_| any(random)).collect()
}

fn named(mut settings: Settings, random: &mut Random) -> Arc<Settings> {
    for subnet in &mut settings.subnets {
        let naming = Naming::of_domain("example.net".parse().unwrap());
        subnet.naming = (!random.once_in(3)).then_some(naming);
        subnet.rapid_commit = random.once_in(3);
        if random.once_in(3) {
            subnet.scope.always = vec![*random.pick(&CODES), code::HOST_NAME, code::IPV6_ONLY_PREFERRED];
        }
        if random.once_in(3) {
            subnet.scope.never = vec![*random.pick(&CODES), *random.pick(&[1, 12, 58, 59])];
        }
        if random.once_in(4) {
            let own = *random.pick(&[12, 61, 80, 81, 116, 118]);
            subnet.scope.options.0.insert(own, random.bytes(4));
        }
    }
    settings.into()
}

fn ask(engine: &mut Engine, now: Now, message: &ClientMessage, list: &[u8]) -> Option<Reply> {
    let relay = message.giaddr;
    let addresses = ["10.9.0.1/24".parse().unwrap()];
    let ingress =
        Ingress { interface: "eth0", addresses: &addresses, source: (relay, 67), destination: [10, 9, 0, 1].into() };
    let mut datagram = Vec::new();
    message.clone().with(code::PARAMETER_REQUEST_LIST, list).encode(&mut datagram);
    let decision = engine.handle_message(now, &ingress, &datagram, &AsTheySay);
    if let Some(ticket) = decision.ticket {
        engine.settle(ticket, CommitOutcome::Committed);
    }
    decision.reply.map(|(reply, _)| reply)
}

#[test]
fn replies_made_ready_are_those_that_are_put_together() {
    let (mut same, mut changed) = (0, 0);
    for seed in 1..=150 {
        let random = &mut Random::new(seed);
        let mut now = Now { boot_ms: 5_000_000, wall_secs: 1_790_000_000 };
        let settings = named(crate::settings::settings(random), random);
        let mut ready = Engine::new(Arc::clone(&settings), [], now);
        let mut together = Engine::new(Arc::clone(&settings), [], now);
        let lists: Vec<Vec<u8>> = (0..3).map(|_| list(random)).collect();
        for round in 0..24 {
            if round == 12 {
                // Of the same subnets, so that the clients have their addresses still.
                let mut settings = (*settings).clone();
                for subnet in &mut settings.subnets {
                    subnet.scope.options.0.insert(code::ROUTER, random.bytes(4));
                    subnet.renewal_permille = 300;
                }
                let settings = Arc::new(settings);
                ready.reconfigure(Arc::clone(&settings), now);
                together.reconfigure(settings, now);
            }
            now = Now { boot_ms: now.boot_ms + 1_000, wall_secs: now.wall_secs + 1 };
            let (client, short) = (random.byte() % 4, random.pick(&lists).clone());
            let mut message = ClientMessage::new(MessageType::Discover, round, hardware(client));
            let prefix = random.pick(&settings.subnets).prefix;
            message.giaddr = (u32::from(prefix.network()) + 1).into();
            for (code, data) in [
                (code::HOST_NAME, b"host"[..].to_vec()),
                (code::CLIENT_FQDN, vec![0, 0, 0, b'f']),
                (code::RAPID_COMMIT, Vec::new()),
                (code::AUTO_CONFIGURE, vec![1]),
                (code::SUBNET_SELECTION, message.giaddr.octets().to_vec()),
            ] {
                if random.once_in(3) {
                    message = message.with(code, data);
                }
            }
            if let Some(id) = client_id(client) {
                message = message.with(code::CLIENT_IDENTIFIER, id.0.to_vec());
            }
            let drawn_out: Vec<u8> = short.iter().copied().cycle().take(TOO_LONG).collect();
            let replies = [ask(&mut ready, now, &message, &short), ask(&mut together, now, &message, &drawn_out)];
            let [one, other] = replies.map(|reply| reply.map(|reply| (reply.yiaddr, reply.options)));
            assert_eq!(one, other, "seed {seed}, list {short:?}");
            same += usize::from(one.is_some());
            changed += usize::from(one.is_some() && round >= 12);
        }
    }
    assert!(same > 1_000 && changed > 500, "too few replies: {same}, {changed} of them after a change");
}
