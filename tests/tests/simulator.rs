//! The simulator in short: seeds that once found a bug, and the trace of our own. `scripts/test-simulator.sh` runs many.

use confmesh_tests::simulator::trace::{Trace, generate};
use confmesh_tests::simulator::{Fault, Options, run, run_checks, run_locks, run_saves};

/// What the simulator did not know yet when the seeds below were found: without it they tell their old stories.
const LATER: &[Fault] =
    &[Fault::Settle, Fault::Expel, Fault::Wire, Fault::Terms, Fault::Stranger, Fault::Count, Fault::Bus];

/// Seeds that broke something once, and what.
const FOUND: &[(u64, &str)] = &[
    (13, "two instances each took the other one for one that was never shared, and waited for each other for ever"),
    (24, "who took over another document lost an acknowledged map where the others had a list"),
    (27, "a write that changed nothing was answered before the write that it repeated was on disk"),
    (31, "three instances that found each other late kept three documents, and nobody said so"),
    (37, "an instance never got the document of a peer that was itself waiting for it when they greeted"),
    (47, "a batch that failed but got to the disk left writes in the store that the replica had not seen"),
    (80, "a store that was full was asked again and again at once to hold that its document is old"),
    (233, "who took over a document that drops its history did not show what it acknowledged before it was a member"),
    (288, "an instance that knew that it was expelled acknowledged writes that it did not show"),
    (304, "an instance whose new name was expelled before it wrote made a member of it by its own word"),
    (420, "an expelled instance asked once for the document of the others, and waited for ever when a part got lost"),
    (430, "an instance that was expelled before it had the document waited for it under that name for ever"),
    (602, "who failed to store twice in a row never became a member again, and nobody could join through it"),
    (630, "an instance that had asked for the document of the others was expelled before it came, and kept its own"),
    (808, "a hello was lost after an instance took over a document, and it got nothing from then on"),
    (2009, "a lost frame left an instance without a document although its peer's heartbeats arrived"),
    (2199, "an expelled instance whose next name was expelled too asked for the document under that name for ever"),
    (2604, "greetings that overtook each other left two documents for ever"),
    (
        5385,
        "a store that takes writes again got the state from before its new name was written, which gave a number out twice",
    ),
    (
        556,
        "an instance whose disk was full told peers of notes that it had to take back, and asked them again without end",
    ),
    (1694, "who took over a document that drops its history left behind what it wrote under names of an earlier life"),
    (101_649, "an expelled instance lost what it wrote below a map that the others made a list"),
    (
        102_999,
        "a stranger's word that it has everything counted as shared, and an expelled instance did not write its own again",
    ),
    (103_633, "who waited to start anew in a document that its peer gave up waited for ever"),
    (104_278, "who was expelled again before it shared what it had written again counted that as shared, and lost it"),
];

#[test]
fn whoever_saves_an_old_text_of_a_file_takes_back_nothing_that_others_wrote() {
    // The last two: a removal that the file had already was not remembered as one of its own.
    for seed in (0..200).chain([101_831, 104_851]) {
        assert_eq!(run_saves(seed), None, "seed {seed}");
    }
}

#[test]
fn a_check_that_answers_late_or_never_stalls_nobody_and_nothing_unchecked_is_in_force() {
    for seed in 0..300 {
        assert_eq!(run_checks(seed), None, "seed {seed}");
    }
}

#[test]
fn no_two_hold_a_lock_at_once_tokens_only_grow_and_nobody_writes_against_a_lock_that_is_known() {
    for seed in 0..100 {
        assert_eq!(run_locks(seed), None, "seed {seed}");
    }
}

#[test]
fn every_seed_that_found_a_bug_keeps_every_property() {
    for (seed, what) in FOUND {
        let without = |faults: &[Fault]| Options { without: faults.to_vec(), ..Options::default() };
        for options in [without(LATER), without(&[Fault::Expel]), without(&[])] {
            let outcome = run(*seed, &options);
            assert_eq!(outcome.violation, None, "seed {seed}: {what}");
            assert!(outcome.comparisons > 0, "seed {seed} compared nothing");
        }
    }
}

/// Seeds that broke something where history is kept.
const FOUND_WITH_HISTORY: &[(u64, &str)] = &[
    (2117, "a file was stale for ever that somebody had deleted while the store was full"),
    (126, "a note on a member without the key of its writer was taken by some and not by others"),
    (2587, "half of a save counted as a text that holds still because it had held still an hour ago"),
    (6692, "a forged note of a document that was given up was taken"),
    (7177, "a save that said again what was there already was refused as a second value"),
    (8904, "a value was withheld for a text that was withheld itself"),
    (10_304, "as before, of a map"),
    (10_394, "a look at a directory let a second write of the file go beside the planned one"),
    (10_663, "as before, of a broken text"),
];

#[test]
fn every_seed_that_found_a_bug_with_history_keeps_every_property() {
    let options = Options { without: vec![Fault::Settle, Fault::Expel], ..Options::default() };
    for (seed, what) in FOUND_WITH_HISTORY {
        assert_eq!(run(*seed, &options).violation, None, "seed {seed}: {what}");
    }
}

#[test]
fn a_write_that_edits_a_sequence_has_one_content_in_the_document_that_it_comes_back_to() {
    let options = Options { without: vec![Fault::Settle, Fault::Expel], ..Options::default() };
    assert_eq!(run(1144, &options).violation, None);
}

/// Starts that broke something once, and what.
const FOUND_STARTS: &[(u64, &str)] = &[
    (2395, "the file was kept of a document that gave way, which did not hold the last write yet"),
    (8637, "a write planned before a document took the place of a file counted as the one that keeps a copy of it"),
    (18_475, "as before, of a document with an earlier life"),
    (43_391, "who was no member yet told that the document is old, and nobody listened"),
];

#[test]
fn every_start_that_found_a_bug_keeps_every_property() {
    for (seed, what) in FOUND_STARTS {
        let outcome = run(*seed, &Options { starts: true, ..Options::default() });
        assert_eq!(outcome.violation, None, "start {seed}: {what}");
    }
}

#[test]
fn a_range_of_seeds_settles_often_and_speaks_both_wires() {
    let (mut settled, mut settling_runs, mut binary_frames, mut rebased) = (0, 0, 0, 0);
    for seed in 20..100 {
        let outcome = run(seed, &Options::default());
        assert_eq!(outcome.violation, None, "seed {seed}");
        settled += outcome.settled;
        settling_runs += usize::from(outcome.settled > 0);
        binary_frames += outcome.binary_frames;
        rebased += outcome.rebased;
    }
    assert!(settling_runs > 20 && settled > 200, "{settled} times in {settling_runs} runs");
    assert!(binary_frames > 1_000, "{binary_frames}");
    assert!(rebased > 0, "nobody was left behind");
}

#[test]
fn a_seed_tells_the_same_story_every_time() {
    let options = Options { trace: true, ..Options::default() };
    let (first, second) = (run(5, &options), run(5, &options));
    assert!(first.trace.len() > 10, "{:?}", first.trace);
    assert_eq!(first.trace, second.trace);
}

#[test]
fn two_authors_who_type_at_the_same_time_end_with_the_text_of_the_trace() {
    let trace = Trace::read(include_str!("../traces/two-authors.json")).unwrap();
    assert_eq!(trace.len(), 500);
    assert_eq!(trace.replay(), trace.end);
}

#[test]
fn generated_traces_of_two_authors_replay_as_by_the_book() {
    for seed in 0..20 {
        let trace = Trace::read(&generate(seed, 60)).unwrap();
        assert_eq!(trace.replay(), trace.replay_by_the_book(), "seed {seed}");
        assert_eq!(trace.replay(), trace.end, "seed {seed}");
    }
}

#[test]
fn a_sequential_trace_with_a_text_to_begin_with_is_read() {
    let text = r#"{"startContent":"abc","endContent":"aXé","txns":[{"time":"","patches":[[1,1,"X"],[2,1,"é"]]}]}"#;
    let trace = Trace::read(text).unwrap();
    assert_eq!(trace.replay(), "aXé");
    assert_eq!(trace.end, "aXé");
}
