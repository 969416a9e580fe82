use proptest::prelude::*;

use super::*;
use crate::backoff::Backoff;

fn every(every: Every) -> PollOptions {
    PollOptions { every, ..PollOptions::default() }
}

/// A chain of numbers that look random.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// The busiest window of 500 ms among all that begin at one of the moments.
fn busiest(mut moments: Vec<u64>) -> usize {
    moments.sort_unstable();
    let within = |at: usize| moments[at..].iter().take_while(|moment| **moment < moments[at] + 500).count();
    (0..moments.len()).map(within).max().unwrap_or(0)
}

fn polls_of_thousand(options: &PollOptions, outage_ms: Option<(u64, u64)>, until_ms: u64) -> Vec<u64> {
    let mut chance = Chance(7);
    let mut moments = Vec::new();
    for _ in 0..1_000 {
        let mut poll = Poll::new(options.clone(), 0);
        while poll.due_ms() < until_ms {
            let now = poll.due_ms();
            moments.push(now);
            poll.begin(now);
            let is_down = outage_ms.is_some_and(|(from, to)| (from..to).contains(&now));
            let polled = if is_down { Polled::Failed { retry_after_ms: None } } else { Polled::Unchanged };
            poll.end(polled, now + 20, chance.next());
        }
    }
    moments
}

#[test]
fn a_thousand_pollers_of_one_interval_fill_no_window_above_twice_its_share() {
    let moments = polls_of_thousand(&every(Every::Fixed(10_000)), None, 120_000);
    for round in 1..12 {
        let range = round * 10_000..(round + 1) * 10_000;
        let here: Vec<u64> = moments.iter().copied().filter(|at| range.contains(at)).collect();
        assert!((900..=1_100).contains(&here.len()), "{}", here.len());
        assert!(busiest(here) <= 100, "round {round}");
    }
}

#[test]
fn a_thousand_pollers_come_back_from_an_outage_without_a_herd() {
    let moments = polls_of_thousand(&every(Every::Fixed(10_000)), Some((20_000, 90_000)), 400_000);
    let after: Vec<u64> = moments.into_iter().filter(|at| *at > 90_000).collect();
    assert!(busiest(after) <= 100);
}

#[test]
fn adaptive_pollers_hurry_while_it_changes_and_slow_down_else() {
    let mut poll = Poll::new(every(Every::Adaptive { min_ms: 1_000, max_ms: 60_000 }), 0);
    let mut chance = Chance(1);
    let mut round = |poll: &mut Poll, polled| {
        let now = poll.due_ms();
        poll.begin(now);
        poll.end(polled, now, chance.next());
        poll.progress().interval_ms
    };
    let slower: Vec<u64> = (0..12).map(|_| round(&mut poll, Polled::Unchanged)).collect();
    assert_eq!(slower[..3], [1_500, 2_250, 3_375]);
    assert_eq!(slower.last(), Some(&60_000));
    let faster: Vec<u64> = (0..7).map(|_| round(&mut poll, Polled::Changed)).collect();
    assert_eq!(faster, [30_000, 15_000, 7_500, 3_750, 1_875, 1_000, 1_000]);
}

#[test]
fn the_circuit_opens_after_failures_probes_and_closes_by_one_good_answer() {
    let mut poll = Poll::new(every(Every::Fixed(1_000)), 0);
    for failure in 1..=5 {
        assert_eq!(poll.progress().breaker, Breaker::Closed);
        let now = poll.due_ms();
        poll.begin(now);
        poll.end(Polled::Failed { retry_after_ms: None }, now, u64::MAX);
        assert_eq!(poll.progress().failures, failure);
    }
    assert_eq!(poll.progress().breaker, Breaker::Open);
    let now = poll.due_ms();
    poll.begin(now);
    assert_eq!(poll.progress().breaker, Breaker::HalfOpen);
    poll.end(Polled::Failed { retry_after_ms: None }, now, u64::MAX);
    assert_eq!((poll.progress().breaker, poll.due_ms()), (Breaker::Open, now + 1_000 + 30_000));
    let now = poll.due_ms();
    poll.begin(now);
    poll.end(Polled::Changed, now, 0);
    let progress = poll.progress();
    assert_eq!((progress.breaker, progress.failures), (Breaker::Closed, 0));
    assert!(poll.due_ms() <= now + 1_000);
}

#[test]
fn everything_is_fetched_every_twentieth_time_or_after_ten_minutes() {
    let run = |interval| {
        let mut poll = Poll::new(every(Every::Fixed(interval)), 0);
        let mut fulls = Vec::new();
        for number in 0..50 {
            let now = poll.due_ms();
            if poll.begin(now) {
                fulls.push((number, now));
            }
            poll.end(Polled::Unchanged, now, 0);
        }
        fulls
    };
    let numbers: Vec<i32> = run(1_000).iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [0, 20, 40]);
    let times = run(120_000);
    assert!(times.windows(2).all(|pair| pair[1].1 - pair[0].1 <= 600_000 + 120_000), "{times:?}");
    assert!(times.len() >= 8, "{times:?}");
}

#[test]
fn staleness_counts_from_the_last_good_answer() {
    let mut poll = Poll::new(PollOptions { stale_after_ms: Some(30_000), ..every(Every::Fixed(10_000)) }, 0);
    assert!(!poll.is_stale(0, 30_000) && poll.is_stale(0, 30_001));
    poll.begin(40_000);
    poll.end(Polled::Changed, 41_000, 0);
    poll.begin(60_000);
    poll.end(Polled::Refused, 60_000, 0);
    assert!(!poll.is_stale(0, 70_000) && poll.is_stale(0, 70_001));
    assert!(!Poll::new(PollOptions::default(), 0).is_stale(0, u64::MAX), "no limit was set");
}

#[test]
fn of_updates_above_the_limit_the_newest_waits() {
    let mut limit = UpdateLimit::per_minute(2);
    assert!(limit.takes(0) && limit.takes(10) && !limit.takes(20));
    assert_eq!(limit.next_ms(20), 60_000);
    assert!(limit.takes(60_000) && !limit.takes(60_005));
    assert!(limit.takes(60_010));
    assert!(UpdateLimit::per_minute(0).takes(0));
}

fn polled() -> impl Strategy<Value = Polled> {
    prop_oneof![
        Just(Polled::Changed),
        Just(Polled::Unchanged),
        Just(Polled::Refused),
        prop::option::of(any::<u64>()).prop_map(|retry_after_ms| Polled::Failed { retry_after_ms }),
    ]
}

fn intervals() -> impl Strategy<Value = Every> {
    prop_oneof![
        (0_u64..100_000).prop_map(Every::Fixed),
        (0_u64..10_000, 0_u64..100_000).prop_map(|(min_ms, max_ms)| Every::Adaptive { min_ms, max_ms }),
    ]
}

proptest! {
    #[test]
    fn every_wait_lies_ahead_and_no_failure_is_asked_sooner_than_the_interval(
        every_ in intervals(),
        rounds in prop::collection::vec((polled(), any::<u64>(), 0_u64..200_000), 1..60),
        start in 0_u64..1_000_000,
    ) {
        let mut poll = Poll::new(every(every_), start);
        for (polled, entropy, took) in rounds {
            let begun = poll.due_ms();
            poll.begin(begun);
            let now = begun + took;
            poll.end(polled, now, entropy);
            let (interval, due) = (poll.progress().interval_ms, poll.due_ms());
            prop_assert!(due > now, "{due} {now}");
            match polled {
                Polled::Failed { retry_after_ms } => {
                    prop_assert!(due - now >= interval);
                    let asked = retry_after_ms.unwrap_or(0).min(MAX_RETRY_AFTER_MS);
                    prop_assert!(due - now >= asked);
                    let longest = asked.max(interval) + (asked.max(interval) / 10).max(60_000) + 1;
                    prop_assert!(due - now <= longest, "an outage that ends is noticed");
                }
                // A change is seen at the latest an interval after the last look at it.
                _ => prop_assert!(due <= now.max(begun) + interval),
            }
            if let Every::Adaptive { min_ms, max_ms } = every_ {
                prop_assert!((min_ms.max(1)..=max_ms.max(min_ms).max(1)).contains(&interval));
            }
        }
    }

    #[test]
    fn no_minute_has_more_updates_than_allowed(most in 1_u32..20, steps in prop::collection::vec(0_u64..20_000, 1..200)) {
        let mut limit = UpdateLimit::per_minute(most);
        let (mut now, mut taken) = (0, Vec::new());
        for step in steps {
            now += step;
            let next = limit.next_ms(now);
            let takes = limit.takes(now);
            prop_assert_eq!(takes, next == now);
            if takes {
                taken.push(now);
            }
        }
        for window in taken.windows(most as usize + 1) {
            prop_assert!(window[most as usize] - window[0] >= 60_000);
        }
    }

    #[test]
    fn odd_options_neither_overflow_nor_stop(
        interval in prop_oneof![Just(0), Just(u64::MAX), any::<u64>()],
        outcomes in prop::collection::vec((polled(), any::<u64>()), 1..20),
    ) {
        let odd = Backoff { initial_ms: u64::MAX, factor: f64::NAN, max_ms: u64::MAX };
        let options = PollOptions { opens_after: 0, full_every: 0, backoff: odd, probe: odd, ..every(Every::Fixed(interval)) };
        let mut poll = Poll::new(options, u64::MAX / 2);
        for (polled, entropy) in outcomes {
            let now = poll.due_ms();
            poll.begin(now);
            poll.end(polled, now, entropy);
            prop_assert!(poll.due_ms() >= now);
        }
    }
}
