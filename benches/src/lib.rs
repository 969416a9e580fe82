//! What the benchmarks share: documents of a known size, and a way to time contenders side by side.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    reason = "a benchmark reads the clock and may stop at the first surprise"
)]

pub mod documents;

use std::hint::black_box;
use std::time::{Duration, Instant};

/// One way to do a job.
pub struct Contender<'a> {
    name: &'static str,
    job: Box<dyn FnMut() + 'a>,
}

/// A contender; what its job returns is kept from being optimised away.
pub fn contender<'a, T>(name: &'static str, mut job: impl FnMut() -> T + 'a) -> Contender<'a> {
    Contender { name, job: Box::new(move || drop(black_box(job()))) }
}

/// Runs the contenders in turn, round after round, and prints the median time of one call and its ratio to the first
/// contender, round by round, so that a machine that is slow for a while slows all of them.
pub fn compare(case: &str, mut contenders: Vec<Contender<'_>>) {
    const ROUNDS: usize = 15;
    const SLOT: Duration = Duration::from_millis(40);
    let repeats: Vec<u32> = contenders
        .iter_mut()
        .map(|contender| {
            (contender.job)();
            let start = Instant::now();
            (contender.job)();
            let once = start.elapsed().max(Duration::from_nanos(20));
            u32::try_from((SLOT.as_nanos() / once.as_nanos()).clamp(1, 1_000_000)).unwrap_or(1)
        })
        .collect();
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    for _ in 0..ROUNDS {
        for ((contender, repeats), times) in contenders.iter_mut().zip(&repeats).zip(&mut times) {
            let start = Instant::now();
            for _ in 0..*repeats {
                (contender.job)();
            }
            times.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(*repeats));
        }
    }
    println!("{case}");
    let first = times.first().cloned().unwrap_or_default();
    for (contender, times) in contenders.iter().zip(&times) {
        let ratios: Vec<f64> = times.iter().zip(&first).map(|(own, first)| own / first).collect();
        println!("  {:<44} {:>11.2} µs  {:>6.2}", contender.name, median(&times.clone()), median(&ratios));
    }
}

/// The middle of some figures.
pub fn median(figures: &[f64]) -> f64 {
    percentile(figures, 50)
}

/// The figure that `percent` of all stay at or below.
pub fn percentile(figures: &[f64], percent: usize) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    *sorted.get(at).expect("there are figures")
}
