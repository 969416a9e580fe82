//! Mutants stay up with the sources: what one breaks has to be there.

use confmesh_tests::mutants::mutants;

use super::repository::root;
use super::{Offence, report};

#[test]
fn every_mutant_applies_to_the_sources_of_today() {
    let all = mutants(&root()).unwrap();
    assert!(all.len() > 20, "{} mutants", all.len());
    let offences = all.iter().filter_map(|mutant| {
        let missed = mutant.sources(&root()).unwrap().err()?;
        let rule = format!("an edit's `find` has to stand in `{missed}` exactly once");
        Some(Offence { file: format!("tests/mutants/{}.toml", mutant.name), line: 1, rule })
    });
    report(&offences.collect::<Vec<_>>());
}
