//! Upstreams that answer, die, lie and come back, in simulated time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::upstreams::Health;

/// What an upstream does with a question that reaches it at some time.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Answers after so many milliseconds.
    Answers(u64),
    Refuses(u64),
    Lies(u64),
    /// The machine says at once that nobody is there.
    IsGone,
    IsSilent,
    /// Somebody else answers in its name; by stream nobody does.
    IsForged(u64),
    /// The same, and it takes no connections: it says so, or says nothing.
    IsForgedWithoutStreams(u64),
    IsForgedAndSilentByStream(u64),
    /// An answer that does not fit; by stream it comes.
    IsLong(u64),
}

/// How a question went: how long it took, and what it ended with.
#[derive(Debug)]
struct Went {
    took: u64,
    end: Step,
    /// Who was asked, when, and whether by a stream.
    asked: Vec<(usize, u64, bool)>,
}

/// Asks one question at `now`, and hears all attempts to their end.
fn ask(pool: &mut Pool, now: u64, does: &dyn Fn(usize) -> Does) -> Went {
    let mut quest = Quest::new(now);
    let mut coming: Vec<(u64, usize, Said)> = Vec::new();
    let (mut time, mut asked, mut ended) = (now, Vec::new(), None);
    loop {
        let next = match quest.poll(pool, time) {
            Step::Ask { attempt, upstream, stream, alone } => {
                asked.push((upstream, time - now, stream));
                let (after, said) = match does(upstream) {
                    Does::Answers(ms) => (ms, Said::Answer),
                    Does::IsLong(ms) | Does::IsForged(ms) if stream => (ms, Said::Answer),
                    Does::IsForged(ms) => (ms, Said::Doubted),
                    Does::IsForgedWithoutStreams(ms) if alone => (ms, Said::Answer),
                    Does::IsForgedWithoutStreams(_) if stream => (0, Said::Unreachable),
                    Does::IsForgedWithoutStreams(ms) => (ms, Said::Doubted),
                    Does::IsForgedAndSilentByStream(ms) if alone => (ms, Said::Answer),
                    Does::IsForgedAndSilentByStream(_) if stream => (ATTEMPT_MS, Said::Nothing),
                    Does::IsForgedAndSilentByStream(ms) => (ms, Said::Doubted),
                    Does::IsLong(ms) => (ms, Said::Truncated),
                    Does::Refuses(ms) => (ms, Said::Refused(Rcode::REFUSED)),
                    Does::Lies(ms) => (ms, Said::Lied),
                    Does::IsGone => (0, Said::Unreachable),
                    Does::IsSilent => (ATTEMPT_MS, Said::Nothing),
                };
                coming.push((time + after, attempt, said));
                continue;
            }
            Step::Wait(until) => until,
            end => {
                ended.get_or_insert(Went { took: time - now, end, asked: asked.clone() });
                u64::MAX
            }
        };
        coming.sort_by_key(|(at, ..)| *at);
        match coming.first().copied() {
            Some((at, attempt, said)) if at <= next => {
                coming.remove(0);
                time = time.max(at);
                quest.handle(pool, attempt, said, time);
            }
            Some(_) => time = next,
            None if ended.is_some() => return ended.unwrap(),
            None => time = next,
        }
    }
}

#[test]
fn a_dead_upstream_costs_one_question_less_than_half_a_second_and_the_next_ones_nothing() {
    let mut pool = Pool::new(2, Order::Listed);
    let does = |upstream| if upstream == 0 { Does::IsSilent } else { Does::Answers(20) };
    let first = ask(&mut pool, 0, &does);
    assert_eq!((first.took, first.end), (420, Step::Done));
    let mut background = 0;
    for question in 1..600 {
        let went = ask(&mut pool, 1_000 * question, &does);
        assert_eq!((went.took, went.asked[0].0), (20, 1), "question {question}: {went:?}");
        background += went.asked.len() - 1;
    }
    assert_eq!(pool.health(0), Health::Down);
    assert!((10..40).contains(&background), "it is asked in the background, ever more seldom: {background} times");
}

#[test]
fn an_upstream_that_dies_while_it_is_asked_and_comes_back_is_asked_first_again() {
    let mut pool = Pool::new(2, Order::Listed);
    let both = |_| Does::Answers(10);
    let dead = |upstream| if upstream == 0 { Does::IsSilent } else { Does::Answers(10) };
    assert_eq!(ask(&mut pool, 0, &both).asked[0].0, 0);
    // Its usual ten milliseconds make its silence plain sooner.
    let went = ask(&mut pool, 10_000, &dead);
    assert_eq!(went.took, 70);
    for second in 11..60 {
        assert_eq!(ask(&mut pool, second * 1_000, &dead).took, 10);
    }
    // Back: it is found within the longest wait, by a question that waits for nobody.
    for second in 60..95 {
        assert_eq!(ask(&mut pool, second * 1_000, &both).took, 10);
    }
    assert_eq!(pool.health(0), Health::Well);
    assert_eq!(ask(&mut pool, 100_000, &both).asked, [(0, 0, false)]);
}

#[test]
fn rfc5452_an_upstream_in_whose_name_others_answer_is_asked_by_a_stream() {
    let mut pool = Pool::new(2, Order::Listed);
    let went = ask(&mut pool, 0, &|upstream| if upstream == 0 { Does::IsForged(5) } else { Does::Answers(5) });
    assert_eq!((went.end, went.took), (Step::Done, 10));
    assert_eq!(went.asked, [(0, 0, false), (0, 5, true)]);
    assert_eq!(pool.health(0), Health::Well, "it can do nothing for it");
}

#[test]
fn an_upstream_without_streams_is_not_taken_for_dead_because_others_guess() {
    for (does, longest) in [(Does::IsForgedWithoutStreams(5), 10), (Does::IsForgedAndSilentByStream(5), 410)] {
        let mut pool = Pool::new(1, Order::Listed);
        for question in 0..10 {
            let went = ask(&mut pool, 10_000 * question, &|_| does);
            assert_eq!((went.end, went.took <= longest), (Step::Done, true), "{does:?} {question}: {went:?}");
            assert_eq!(pool.health(0), Health::Well, "{does:?} {question}");
        }
    }
}

#[test]
fn refusing_lying_and_missing_upstreams_cost_no_waiting() {
    for bad in [Does::Refuses(5), Does::Lies(5), Does::IsGone] {
        let mut pool = Pool::new(3, Order::Listed);
        let went = ask(&mut pool, 0, &|upstream| if upstream < 2 { bad } else { Does::Answers(5) });
        assert!(went.took <= 15 && went.end == Step::Done, "{bad:?} {went:?}");
    }
}

#[test]
fn when_nobody_answers_it_is_said_why_and_in_bounded_time() {
    for (bad, longest, failure) in [
        (Does::IsSilent, QUEST_MS, Failure::default()),
        (Does::Refuses(5), 20, Failure { refused: Some(Rcode::REFUSED), ..Failure::default() }),
        (Does::Lies(5), 20, Failure { lied: true, ..Failure::default() }),
        (Does::IsGone, 0, Failure::default()),
    ] {
        for count in 1..4 {
            let mut pool = Pool::new(count, Order::Listed);
            let went = ask(&mut pool, 0, &|_| bad);
            assert_eq!(went.end, Step::Failed(failure), "{bad:?}");
            assert!(went.took <= longest, "{bad:?} {went:?}");
            assert!((0..count).all(|index| went.asked.iter().any(|(asked, ..)| *asked == index)), "{went:?}");
        }
    }
    let went = ask(&mut Pool::new(0, Order::Listed), 0, &|_| Does::IsSilent);
    assert_eq!(went.end, Step::Failed(Failure { nobody: true, ..Failure::default() }));
}

#[test]
fn a_lost_datagram_is_sent_again() {
    let mut pool = Pool::new(1, Order::Listed);
    let sent = std::cell::Cell::new(0);
    let went = ask(&mut pool, 0, &|_| {
        sent.set(sent.get() + 1);
        if sent.get() == 1 { Does::IsSilent } else { Does::Answers(10) }
    });
    assert_eq!((went.took, went.end), (410, Step::Done));
}

#[test]
fn what_does_not_fit_is_asked_of_the_same_one_by_a_stream() {
    let mut pool = Pool::new(2, Order::Listed);
    let went = ask(&mut pool, 0, &|_| Does::IsLong(10));
    assert_eq!(went.asked, [(0, 0, false), (0, 10, true)]);
    assert_eq!((went.took, went.end), (20, Step::Done));
}

#[test]
fn a_slow_upstream_is_asked_after_a_fast_one() {
    let mut pool = Pool::new(2, Order::Listed);
    let does = |upstream| if upstream == 0 { Does::Answers(900) } else { Does::Answers(10) };
    assert_eq!(ask(&mut pool, 0, &does).took, 410);
    for question in 1..50 {
        assert_eq!(ask(&mut pool, question * 1_000, &does).took, 10);
    }
    // Alone, it is waited for.
    assert_eq!(ask(&mut Pool::new(1, Order::Listed), 0, &does).took, 900);
}

#[test]
fn each_order_asks_in_its_own_way() {
    let does = |upstream| Does::Answers([50, 10, 30][upstream]);
    let mut turns = Pool::new(3, Order::Turns);
    let first: Vec<usize> = (0..6).map(|at| ask(&mut turns, at * 100, &does).asked[0].0).collect();
    assert_eq!(first, [0, 1, 2, 0, 1, 2]);
    let mut fastest = Pool::new(3, Order::Fastest);
    let first: Vec<usize> = (0..6).map(|at| ask(&mut fastest, at * 100, &does).asked[0].0).collect();
    assert_eq!(first, [0, 1, 2, 1, 1, 1], "each once, then the fastest");
    let mut together = Pool::new(3, Order::Together);
    let went = ask(&mut together, 0, &does);
    assert_eq!((went.took, went.asked.len()), (10, 3));
}

#[test]
fn what_loops_is_not_asked_until_it_may_have_ended() {
    let mut pool = Pool::new(2, Order::Listed);
    pool.handle_loop(0, 0);
    let went = ask(&mut pool, 10, &|_| Does::Answers(10));
    assert_eq!(went.asked, [(1, 0, false)]);
    pool.handle_loop(1, 20);
    assert_eq!(
        ask(&mut pool, 30, &|_| Does::Answers(10)).end,
        Step::Failed(Failure { nobody: true, ..Failure::default() })
    );
    assert!(pool.loops_over(59_999).is_empty());
    assert_eq!(pool.loops_over(60_010), [0]);
    assert_eq!(ask(&mut pool, 60_020, &|_| Does::Answers(10)).end, Step::Done);
}

#[test]
fn who_was_not_asked_for_want_of_a_socket_is_not_taken_for_silent() {
    let mut pool = Pool::new(2, Order::Listed);
    for _ in 0..10 {
        let mut quest = Quest::new(0);
        while let Step::Ask { attempt, .. } = quest.poll(&mut pool, 0) {
            quest.handle(&mut pool, attempt, Said::NotAsked, 0);
        }
        let Step::Failed(failure) = quest.poll(&mut pool, 0) else { panic!("{quest:?}") };
        assert!(failure.not_asked && !failure.nobody && !failure.is_silence(), "{failure:?}");
    }
    assert_eq!([0, 1].map(|index| pool.health(index)), [Health::Well; 2]);
    assert_eq!(pool.answers_in(0), None);
}

#[test]
fn a_loop_that_is_found_while_a_question_is_under_way_is_what_is_told_of_it() {
    let mut pool = Pool::new(1, Order::Listed);
    let mut quest = Quest::new(0);
    let Step::Ask { attempt, .. } = quest.poll(&mut pool, 0) else { panic!("{quest:?}") };
    pool.handle_loop(0, 5);
    quest.handle(&mut pool, attempt, Said::Refused(Rcode::SERV_FAIL), 10);
    let Step::Failed(failure) = quest.poll(&mut pool, 10) else { panic!("{quest:?}") };
    assert!(failure.nobody, "{failure:?}");
}
