//! One question on its way through the upstreams.
//!
//! The caller polls: it is told whom to ask and how long to wait, and tells what was heard. Whoever takes longer than it
//! usually does gets a neighbour asked beside it; both are listened to, and the first answer counts.

use dns::Rcode;

use crate::upstreams::{ATTEMPT_MS, Health, Order, PATIENCE_MS_MAX, Pool};

/// A question is over after this, in milliseconds: stub resolvers give up after five seconds.
pub const QUEST_MS: u64 = 4_500;
/// So many attempts for one question, those in the background among them.
const ATTEMPTS_MAX: usize = 8;
/// How often one upstream is asked by datagram: a datagram can be lost.
const DATAGRAMS_MAX: usize = 3;

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// An answer.
    Answer,
    /// It did not fit a datagram.
    Truncated,
    /// It would not or could not answer.
    Refused(Rcode),
    /// It only names others that should be asked.
    Referred,
    /// What came was no answer to the question.
    Lied,
    /// Somebody else may answer in its name: to be asked by a stream.
    Doubted,
    /// Nothing, to the end.
    Nothing,
    /// Nobody is there: the machine said so.
    Unreachable,
    /// It was not asked: we had no socket for it. That says nothing of it.
    NotAsked,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask this upstream, and tell what came of it under this number.
    Ask {
        /// The attempt's number.
        attempt: usize,
        /// The upstream's index.
        upstream: usize,
        /// By a stream, where a datagram was too small, or others may have answered it.
        stream: bool,
        /// By a datagram from a port of its own, whatever else comes there: streams lead nowhere.
        alone: bool,
    },
    /// Wait for what is under way, until then at most: milliseconds of the caller's clock.
    Wait(u64),
    /// It was answered.
    Done,
    /// Nobody answered; what is told of it.
    Failed(Failure),
}

/// Why nobody answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The last refusal.
    pub refused: Option<Rcode>,
    /// Somebody only named others.
    pub referred: bool,
    /// Somebody's answers were none.
    pub lied: bool,
    /// There was nobody to ask: every upstream leads back to us, or there is none.
    pub nobody: bool,
    /// Somebody was not asked, for want of a socket.
    pub not_asked: bool,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    upstream: usize,
    asked_at: u64,
    stream: bool,
    /// The next is asked beside it from then on.
    patience_until: u64,
    late: bool,
    over: bool,
    /// Nobody waits for it.
    background: bool,
    /// It is a stream, since others may have answered the datagram.
    doubted: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Quest {
    begun: u64,
    attempts: Vec<Attempt>,
    /// To be asked by a stream; whether that is since others may answer datagrams.
    streams: Vec<(usize, bool)>,
    /// To be asked by a datagram once more, since the stream leads nowhere; and who was.
    alone: Vec<usize>,
    asked_alone: Vec<usize>,
    failure: Failure,
    background_asked: bool,
    done: bool,
}

impl Quest {
    /// One that begins at `now`, in milliseconds.
    #[must_use]
    pub fn new(now: u64) -> Self {
        Self {
            begun: now,
            attempts: Vec::with_capacity(2),
            streams: Vec::new(),
            alone: Vec::new(),
            asked_alone: Vec::new(),
            failure: Failure::default(),
            background_asked: false,
            done: false,
        }
    }

    /// What to do next. To be called again after each [`Step::Ask`], after each word from an upstream, and when the time
    /// of a [`Step::Wait`] has come.
    pub fn poll(&mut self, pool: &mut Pool, now: u64) -> Step {
        if self.done {
            return Step::Done;
        }
        self.mark_late(pool, now);
        if now >= self.begun + QUEST_MS {
            return self.fail(pool);
        }
        if let Some((upstream, doubted)) = self.streams.pop() {
            let step = self.ask(pool, upstream, true, false, now);
            if let Some(attempt) = self.attempts.last_mut().filter(|_| doubted) {
                attempt.doubted = true;
                // Servers that take no connections are found out as soon as others are asked beside slow ones.
                attempt.patience_until = now + PATIENCE_MS_MAX;
            }
            return step;
        }
        if let Some(upstream) = self.alone.pop() {
            let step = self.ask(pool, upstream, false, false, now);
            // That it was asked before says nothing of how long it takes.
            if let Some(attempt) = self.attempts.last_mut() {
                attempt.patience_until = now + pool.patience_ms(upstream);
            }
            return match step {
                Step::Ask { attempt, upstream, stream, .. } => Step::Ask { attempt, upstream, stream, alone: true },
                other => other,
            };
        }
        if self.wants_another(pool)
            && self.attempts.len() < ATTEMPTS_MAX
            && let Some(upstream) = self.next(pool)
        {
            return self.ask(pool, upstream, false, false, now);
        }
        if self.attempts.is_empty() {
            return self.fail(pool);
        }
        if !self.background_asked {
            self.background_asked = true;
            let asked: Vec<usize> = self.attempts.iter().map(|attempt| attempt.upstream).collect();
            if let Some(upstream) = pool.choose_in_background(|index| !asked.contains(&index), now) {
                return self.ask(pool, upstream, false, true, now);
            }
        }
        let open = self.attempts.iter().filter(|attempt| !attempt.over);
        let next =
            open.map(|attempt| if attempt.late { attempt.asked_at + ATTEMPT_MS } else { attempt.patience_until });
        match next.min() {
            // Refused and unreachable everywhere: waiting brings nothing.
            None => self.fail(pool),
            Some(at) => Step::Wait(at.clamp(now + 1, self.begun + QUEST_MS)),
        }
    }

    /// What came of an attempt.
    pub fn handle(&mut self, pool: &mut Pool, attempt: usize, said: Said, now: u64) {
        let Some(attempt) = self.attempts.get_mut(attempt) else { return };
        if attempt.over {
            return;
        }
        attempt.over = true;
        let (upstream, took, doubted) = (attempt.upstream, now.saturating_sub(attempt.asked_at), attempt.doubted);
        match said {
            Said::Answer => {
                pool.handle_answer(upstream, took);
                self.done = true;
            }
            Said::Truncated => {
                pool.handle_answer(upstream, took);
                self.streams.push((upstream, false));
            }
            Said::Refused(rcode) => {
                pool.handle_answer(upstream, took);
                self.failure.refused = Some(rcode);
            }
            Said::Referred => {
                pool.handle_answer(upstream, took);
                self.failure.referred = true;
            }
            Said::Lied => {
                self.failure.lied = true;
                pool.handle_silence(upstream, now);
            }
            // What came says nothing of it; what comes by the stream does.
            Said::Doubted => {
                self.failure.lied = true;
                self.streams.push((upstream, true));
            }
            // That others guess is no reason to take it for dead, or not to ask it.
            Said::Nothing | Said::Unreachable | Said::NotAsked if doubted => self.ask_alone(upstream),
            Said::NotAsked => self.failure.not_asked = true,
            Said::Nothing | Said::Unreachable => pool.handle_silence(upstream, now),
        }
    }

    /// Whether somebody is still asked: those are heard to their end, for what it says of the upstream.
    #[must_use]
    pub fn open_attempts(&self) -> usize {
        self.attempts.iter().filter(|attempt| !attempt.over).count()
    }

    /// What is told of it: also when it was found only meanwhile that every upstream leads back to us, since whatever else
    /// they said comes of that.
    fn fail(&self, pool: &Pool) -> Step {
        let nobody = (0..pool.len()).all(|index| pool.health(index) == Health::Looping);
        Step::Failed(Failure { nobody, ..self.failure })
    }

    /// Whether one more is to be asked now.
    fn wants_another(&self, pool: &Pool) -> bool {
        let mut waited_for = self.attempts.iter().filter(|attempt| !attempt.background && !attempt.over);
        match pool.order() {
            Order::Together => self.attempts.len() < pool.len() || waited_for.all(|attempt| attempt.late),
            _ => waited_for.all(|attempt| attempt.late),
        }
    }

    /// The next to ask: each once before any is asked again.
    fn next(&self, pool: &mut Pool) -> Option<usize> {
        let times = |index: usize| self.attempts.iter().filter(|attempt| attempt.upstream == index).count();
        // Who refused, lied or was not there said so for this question.
        let gave_up = |index: usize| {
            let mut of_it = self.attempts.iter().filter(|attempt| attempt.upstream == index);
            of_it.any(|attempt| attempt.over)
        };
        (0..DATAGRAMS_MAX).find_map(|round| pool.choose(|index| times(index) == round && !gave_up(index)))
    }

    fn ask(&mut self, pool: &Pool, upstream: usize, stream: bool, background: bool, now: u64) -> Step {
        let again = self.attempts.iter().filter(|attempt| attempt.upstream == upstream).count() as u32;
        // A handshake comes first with a stream; and each further datagram to the same one has twice the time.
        let patience = if stream { 2 * PATIENCE_MS_MAX } else { pool.patience_ms(upstream) << again.min(2) };
        self.attempts.push(Attempt {
            upstream,
            asked_at: now,
            stream,
            patience_until: now + patience,
            late: false,
            over: false,
            background,
            doubted: false,
        });
        Step::Ask { attempt: self.attempts.len() - 1, upstream, stream, alone: false }
    }

    /// Asks one by a datagram from a port of its own, once.
    fn ask_alone(&mut self, upstream: usize) {
        if !self.asked_alone.contains(&upstream) {
            self.asked_alone.push(upstream);
            self.alone.push(upstream);
        }
    }

    fn mark_late(&mut self, pool: &mut Pool, now: u64) {
        let mut doubted = Vec::new();
        for attempt in self.attempts.iter_mut().filter(|attempt| !attempt.over) {
            if !attempt.late && now >= attempt.patience_until {
                attempt.late = true;
                if attempt.doubted {
                    doubted.push(attempt.upstream);
                } else if !attempt.stream {
                    pool.handle_late(attempt.upstream, now);
                }
            }
            if now >= attempt.asked_at + ATTEMPT_MS {
                attempt.over = true;
                if !attempt.doubted {
                    pool.handle_silence(attempt.upstream, now);
                }
            }
        }
        doubted.into_iter().for_each(|upstream| self.ask_alone(upstream));
    }
}

impl Failure {
    /// Whether anybody could be reached at all.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        self.refused.is_none() && !self.referred && !self.lied && !self.not_asked
    }
}

#[cfg(test)]
mod tests;
