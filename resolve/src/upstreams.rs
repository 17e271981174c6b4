//! How each upstream does, and who is asked next.
//!
//! ```text
//!          silent past its time                    silent to the end, three times
//!   Well ───────────────────────▶ Suspect ────────────────────────────────────────▶ Down
//!    ▲                              │  ▲                                             │
//!    └──── answers in time ─────────┘  └───────────── answers ◀──────────────────────┘
//! ```
//!
//! Whoever is not well is asked after those who are, so that it costs the one question that found it out; and it is asked
//! in the background with a copy of a real question, ever more seldom, so that it is known when it is back.

/// How long an upstream that nothing is known of may take before the next is asked beside it, in milliseconds. Also
/// the longest that any may take: what a dead one costs.
pub const PATIENCE_MS_MAX: u64 = 400;
/// The shortest: a moment's delay is no reason to ask twice.
const PATIENCE_MS_MIN: u64 = 60;
/// When an attempt is over, in milliseconds.
pub const ATTEMPT_MS: u64 = 2_000;
/// So many attempts without an answer, and it is down.
const SILENT_MAX: u32 = 3;
/// The first and the longest wait before it is asked in the background, in milliseconds.
const RETRY_MS: (u64, u64) = (1_000, 30_000);
/// An upstream that leads back to us is asked whether it still does after this, in milliseconds.
const LOOP_RETRY_MS: u64 = 60_000;

/// Who is asked first, among those that are well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The first of the list.
    #[default]
    Listed,
    /// The one that answered fastest of late.
    Fastest,
    /// Each in its turn.
    Turns,
    /// All at once; the first answer counts.
    Together,
}

/// How an upstream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing is known against it.
    Well,
    /// It took too long, or would not answer.
    Suspect,
    /// It does not answer.
    Down,
    /// What it is asked comes back to us.
    Looping,
}

#[derive(Clone, Debug)]
struct Member {
    health: Health,
    /// Smoothed time of its answers, in milliseconds.
    answers_in: Option<u64>,
    /// Attempts without an answer, one after another.
    silent: u32,
    /// When it last did not answer.
    silent_at: Option<u64>,
    /// When it is asked in the background next.
    retry_at: u64,
    retry_ms: u64,
}

/// The upstreams of one route. Times are milliseconds of any clock that does not go back.
#[derive(Clone, Debug)]
pub struct Pool {
    members: Vec<Member>,
    order: Order,
    turn: usize,
}

impl Pool {
    /// So many of them, nothing known of any.
    #[must_use]
    pub fn new(count: usize, order: Order) -> Self {
        let member = Member {
            health: Health::Well,
            answers_in: None,
            silent: 0,
            silent_at: None,
            retry_at: 0,
            retry_ms: RETRY_MS.0,
        };
        Self { members: vec![member; count], order, turn: 0 }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Who is asked first, among those that are well.
    #[must_use]
    pub fn order(&self) -> Order {
        self.order
    }

    /// How one does.
    #[must_use]
    pub fn health(&self, index: usize) -> Health {
        self.members[index].health
    }

    /// How long one takes to answer, in milliseconds; none: it has not answered yet.
    #[must_use]
    pub fn answers_in(&self, index: usize) -> Option<u64> {
        self.members[index].answers_in
    }

    /// When one last did not answer at all; none: it always did.
    #[must_use]
    pub fn silent_at(&self, index: usize) -> Option<u64> {
        self.members[index].silent_at
    }

    /// Who is to be asked, of those for whom `open` says so; none: there is nobody left. Those that loop are never asked.
    pub fn choose(&mut self, open: impl Fn(usize) -> bool) -> Option<usize> {
        let count = self.members.len();
        let start = if self.order == Order::Turns { self.turn } else { 0 };
        let rank = |index: &usize| {
            let member = &self.members[*index];
            let first = if self.order == Order::Fastest { member.answers_in.unwrap_or(0) } else { 0 };
            (member.health as u8, first)
        };
        let chosen = (0..count)
            .map(|step| (start + step) % count)
            .filter(|index| open(*index) && self.members[*index].health != Health::Looping)
            .min_by_key(rank)?;
        self.turn = (chosen + 1) % count;
        Some(chosen)
    }

    /// One that is not well and may be back: to be asked in the background now.
    pub fn choose_in_background(&mut self, open: impl Fn(usize) -> bool, now: u64) -> Option<usize> {
        let due = |member: &Member| matches!(member.health, Health::Suspect | Health::Down) && now >= member.retry_at;
        let index = (0..self.members.len()).find(|index| open(*index) && due(&self.members[*index]))?;
        self.put_off(index, now);
        Some(index)
    }

    /// How long to wait for one before the next is asked beside it, in milliseconds.
    #[must_use]
    pub fn patience_ms(&self, index: usize) -> u64 {
        let answers_in = self.members[index].answers_in;
        answers_in.map_or(PATIENCE_MS_MAX, |ms| (3 * ms).clamp(PATIENCE_MS_MIN, PATIENCE_MS_MAX))
    }

    /// One answered, `took` milliseconds after it was asked.
    pub fn handle_answer(&mut self, index: usize, took: u64) {
        let member = &mut self.members[index];
        // RFC 6298 section 2.3, alpha = 1/8.
        let smoothed = member.answers_in.map_or(took, |before| (7 * before + took) / 8);
        // One second's outage should not be remembered as slowness for a hundred questions.
        member.answers_in = Some(if took < smoothed / 4 { took } else { smoothed });
        member.silent = 0;
        member.retry_ms = RETRY_MS.0;
        if member.health != Health::Looping {
            member.health = if took > PATIENCE_MS_MAX { Health::Suspect } else { Health::Well };
        }
    }

    /// One was asked and has taken longer than its patience.
    pub fn handle_late(&mut self, index: usize, now: u64) {
        if self.members[index].health == Health::Well {
            self.members[index].health = Health::Suspect;
            self.put_off(index, now);
        }
    }

    /// One did not answer at all, or nothing that is an answer.
    pub fn handle_silence(&mut self, index: usize, now: u64) {
        self.handle_late(index, now);
        let member = &mut self.members[index];
        member.silent = member.silent.saturating_add(1);
        member.silent_at = Some(now);
        if member.silent >= SILENT_MAX && member.health != Health::Looping {
            member.health = Health::Down;
        }
    }

    /// What one was asked came back to us: it is not asked any more.
    pub fn handle_loop(&mut self, index: usize, now: u64) {
        self.members[index].health = Health::Looping;
        self.members[index].retry_at = now + LOOP_RETRY_MS;
    }

    /// Those that looped and may be asked again whether they still do; they count as suspects then.
    pub fn loops_over(&mut self, now: u64) -> Vec<usize> {
        let over = |member: &Member| member.health == Health::Looping && now >= member.retry_at;
        let found: Vec<usize> = (0..self.members.len()).filter(|index| over(&self.members[*index])).collect();
        for index in &found {
            self.members[*index].health = Health::Suspect;
        }
        found
    }

    fn put_off(&mut self, index: usize, now: u64) {
        let member = &mut self.members[index];
        member.retry_at = now + member.retry_ms;
        member.retry_ms = (member.retry_ms * 2).min(RETRY_MS.1);
    }
}
