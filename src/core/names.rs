//! The engine's question about a name, answered by `ddns`: the two crates do not know each other.

use std::cell::RefCell;

use ddns::choose::{Answer, Question, Step};
use ddns::grant::{NameHolders, Terms};
use ddns::wanted::WantedTable;
use dhcp::lease::LeaseName;
use dhcp::names::{NameAnswer, NameChooser, NameQuestion};

use super::outcomes::Outcomes;

/// Chooses names by the settings and by which names are taken.
#[derive(Debug)]
pub struct CoreNames<'a> {
    wanted: &'a WantedTable,
    settings: &'a ddns::settings::Settings,
    outcomes: &'a Outcomes,
    /// What goes with the names that were chosen, in their order.
    terms: RefCell<Vec<Terms>>,
}

impl<'a> CoreNames<'a> {
    /// A chooser by who holds which name, by zones and protected names, and by what is known of names that several hosts
    /// want.
    #[must_use]
    pub fn new(wanted: &'a WantedTable, settings: &'a ddns::settings::Settings, outcomes: &'a Outcomes) -> Self {
        Self { wanted, settings, outcomes, terms: RefCell::default() }
    }

    /// What is to be remembered of the names that were chosen, once their leases are stored.
    pub(super) fn into_terms(self) -> Vec<Terms> {
        self.terms.into_inner()
    }
}

impl CoreNames<'_> {
    /// The answer with the reason for it.
    pub(super) fn answer(&self, question: &NameQuestion<'_>) -> Answer {
        self.with_holders(question, |holders| ddns::choose::choose(&asked(question), self.settings, holders))
    }

    /// The same, step by step.
    pub(super) fn explain(&self, question: &NameQuestion<'_>) -> (Answer, Vec<Step>) {
        let mut steps = Vec::new();
        let answer = self.with_holders(question, |holders| {
            let (answer, told) = ddns::choose::explain_choice(&asked(question), self.settings, holders);
            steps = told;
            answer
        });
        (answer, steps)
    }

    fn with_holders(&self, question: &NameQuestion<'_>, choose: impl FnOnce(&NameHolders<'_>) -> Answer) -> Answer {
        let holders = NameHolders {
            wanted: self.wanted,
            lingering: &self.outcomes.lingering,
            suffixes: &self.outcomes.suffixes,
            foreign: &self.outcomes.foreign,
            settings: self.settings,
            now: self.outcomes.now.wall_secs,
            address: question.address.into(),
            outcome: question.naming.conflict,
            arrives: question.arrives,
            terms: RefCell::default(),
        };
        let answer = choose(&holders);
        let terms = holders.terms.into_inner();
        // That there was none is told of whoever then goes without a name, too.
        self.terms.borrow_mut().extend(terms.filter(|one| answer.name.is_some() || *one == Terms::NumbersUsedUp));
        answer
    }
}

/// The engine's question in the words of `ddns`.
pub(super) fn asked<'q>(question: &'q NameQuestion<'_>) -> Question<'q> {
    Question {
        hostname: question.hostname,
        client_fqdn: question.client_fqdn,
        reserved_hostname: question.reserved_hostname,
        address: question.address.into(),
        hardware: question.hardware,
        lease_secs: question.lease_secs,
        identity: question.identity.clone(),
        naming: question.naming,
    }
}

/// The answer in the words of the engine.
pub(super) fn told(answer: Answer) -> NameAnswer {
    NameAnswer {
        name: answer.name.map(|name| LeaseName {
            fqdn: name.fqdn,
            identity: name.identity,
            forward: name.forward,
            reverse: name.reverse,
            ttl_secs: name.ttl_secs,
            guard: name.guard,
        }),
        client_fqdn: answer.client_fqdn,
        foreign: answer.foreign,
    }
}

impl NameChooser for CoreNames<'_> {
    fn choose(&self, question: &NameQuestion<'_>) -> NameAnswer {
        told(self.answer(question))
    }
}
