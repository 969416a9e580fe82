//! The official test suite of JSON Schema, as far as it is not optional: drafts 7 and 2020-12.
//!
//! The cases stand in `suites/json-schema`, one group a line, out of
//! <https://github.com/json-schema-org/JSON-Schema-Test-Suite> at 44401e0.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use confmesh::format::{Format, parse};
use confmesh::schema::Schema;
use confmesh::{Code, Value};

/// Where the standard lets a program choose, or this one decided otherwise: part of the suite and what its group says.
/// Formats are checked, which the standard leaves to the program.
const CHOSEN: &[(&str, &str)] = &[("format", "")];

#[derive(Default)]
struct Tally {
    right: usize,
    /// Other than the suite by choice.
    chosen: usize,
    /// Needs another document, and is refused by name.
    remote: usize,
    wrong: Vec<String>,
}

fn is_valid(schema: &Value, data: &Value) -> Result<bool, confmesh::Error> {
    Ok(Schema::from_value(schema)?.validate(data, |_| None).is_empty())
}

/// The same schema below one key of a map, where configuration has it.
fn below_a_key(schema: &Value, data: &Value) -> Option<(Value, Value)> {
    let text = confmesh::canonical::canonical(schema);
    if ["\"$ref\"", "\"$dynamicRef\"", "\"$id\"", "\"$anchor\""].iter().any(|word| text.contains(word)) {
        return None;
    }
    let mut document: Vec<(&str, Value)> = vec![("properties", [("it", schema.clone())].into_iter().collect())];
    document.extend(schema.child("$schema").cloned().map(|draft| ("$schema", draft)));
    Some((document.into_iter().collect(), [("it", data.clone())].into_iter().collect()))
}

fn run(text: &str, draft: &str) {
    let suite = parse(text, Format::Json).unwrap();
    let mut tally = Tally::default();
    for (part, groups) in suite.as_map().unwrap().iter() {
        for group in groups.as_list().unwrap().iter() {
            let [about, schema, cases] = group.as_list().unwrap().as_slice() else { panic!("{part}") };
            let schema = match schema {
                Value::Map(map) if !map.contains_key("$schema") => Value::Map(map.with("$schema".into(), draft.into())),
                schema => schema.clone(),
            };
            for case in cases.as_list().unwrap().iter() {
                let [what, data, want] = case.as_list().unwrap().as_slice() else { panic!("{part}") };
                let about = about.as_str().unwrap();
                let name = format!("{part}: {about}: {}", what.as_str().unwrap());
                let found = is_valid(&schema, data);
                if let Some((schema, data)) = below_a_key(&schema, data) {
                    assert_eq!(is_valid(&schema, &data).ok(), found.as_ref().ok().copied(), "below a key: {name}");
                }
                let chosen = CHOSEN.iter().any(|(of, start)| *of == part.as_str() && about.starts_with(start));
                match found {
                    Ok(valid) if Some(valid) == want.as_bool() => tally.right += 1,
                    Ok(_) if chosen => tally.chosen += 1,
                    Err(error) if error.code() == Code::Invalid && error.message().contains("cannot be followed") => {
                        let text = confmesh::canonical::canonical(&schema);
                        assert!(text.contains("http://localhost:1234/") || text.contains("remote"), "{name}: {error}");
                        assert!(error.path().is_some() && error.hint().is_some(), "{name}: {error}");
                        tally.remote += 1;
                    }
                    Ok(_) => tally.wrong.push(name),
                    Err(error) => tally.wrong.push(format!("{name}: {error}")),
                }
            }
        }
    }
    let all = tally.right + tally.chosen + tally.remote + tally.wrong.len();
    println!("{draft}: {} of {all} right, {} otherwise by choice, {} refused", tally.right, tally.chosen, tally.remote);
    assert!(tally.wrong.is_empty(), "{} wrong:\n{}", tally.wrong.len(), tally.wrong.join("\n"));
    assert!(tally.right * 100 >= 98 * (all - tally.remote), "{} of {}", tally.right, all - tally.remote);
}

#[test]
fn the_official_suite_of_2020_12() {
    run(include_str!("../suites/json-schema/draft2020-12.json"), "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn the_official_suite_of_draft_7() {
    run(include_str!("../suites/json-schema/draft7.json"), "http://json-schema.org/draft-07/schema#");
}
