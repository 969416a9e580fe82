//! The account of everything at once.

use std::sync::Arc;

use crate::format::{key_path, locate_all};
use crate::path::Path;

use super::{Candidate, Explanation, Layer, Merged};

impl Merged {
    /// The account of every path that [`Merged::provenance`] lists, as [`Merged::explain`] gives it; each text is read
    /// once for all of them.
    pub fn explain_all(&self) -> Vec<Explanation> {
        let without_text = self.layers.iter().map(|layer| Layer { text: None, ..layer.clone() }).collect();
        let plain = Merged { layers: Arc::new(without_text), ..self.clone() };
        let mut accounts: Vec<Explanation> = plain.provenance().filter_map(|(path, _)| plain.explain(&path)).collect();
        for layer in self.layers.iter() {
            let Some(source) = &layer.text else { continue };
            let (mut paths, mut candidates): (Vec<Path>, Vec<&mut Candidate>) = (Vec::new(), Vec::new());
            for Explanation { path, winner, others, .. } in &mut accounts {
                for candidate in winner.iter_mut().chain(others) {
                    if candidate.source == layer.id && candidate.priority == layer.priority && !path.is_root() {
                        paths.push(match &candidate.origin.key {
                            Some(variable) => key_path(variable),
                            None => layer.prefix.join(path),
                        });
                        candidates.push(candidate);
                    }
                }
            }
            let places = locate_all(&source.text, source.format, &paths);
            for (candidate, place) in candidates.into_iter().zip(places) {
                candidate.origin.location = place;
            }
        }
        accounts
    }
}

#[cfg(test)]
mod tests {
    use crate::format::Format;
    use crate::merge::{Layer, merge};
    use crate::pattern::Pattern;
    use crate::policy::{MergeStrategy, Policy, Rule};

    #[test]
    fn all_accounts_are_those_of_the_single_paths() {
        let json = "{\"a\": {\"b\": 1, \"tags\": [1]},\n \"x\": {}, \"only\": true}";
        let toml = "only = false\n[a]\nb = 2\ntags = [2, 1]\n";
        let dotenv = "APP_A__B=3\nAPP_NEW=4\n";
        let mut variables = Layer::from_variables(
            "dotenv:.env",
            15,
            "APP",
            [("APP_A__B".to_owned(), "3".to_owned()), ("APP_NEW".to_owned(), "4".to_owned())],
        )
        .unwrap();
        variables = variables.with_text(dotenv, Format::Dotenv);
        let layers = [
            Layer::from_text("a.json", 31, json, Format::Json).unwrap(),
            Layer::from_text("a.toml", 30, toml, Format::Toml).unwrap(),
            variables,
            Layer::from_env("APP", [("APP_ONLY".to_owned(), "1".to_owned())]).unwrap(),
        ];
        let rule = Rule::on(Pattern::parse("a.tags").unwrap()).merge(MergeStrategy::UnionSet);
        let merged = merge(&layers, &Policy::of([rule]).unwrap());
        let single: Vec<_> = merged.provenance().filter_map(|(path, _)| merged.explain(&path)).collect();
        assert_eq!(merged.explain_all(), single);
        let places: Vec<String> =
            single.iter().filter_map(|found| found.winner.as_ref()).map(|winner| winner.origin.to_string()).collect();
        let expected = [
            "dotenv:.env:1:1 (APP_A__B)",
            "a.toml:4:1",
            "dotenv:.env:2:1 (APP_NEW)",
            "env:APP (APP_ONLY)",
            "a.json:2:2",
        ];
        assert_eq!(places, expected);
    }
}
