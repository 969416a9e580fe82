//! The laws of the algebra, through the public interface and over random documents.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use confmesh::canonical::{canonical, content_hash};
use confmesh::diff::{Patch, apply_merge_patch, diff, merge_patch_between, three_way};
use confmesh::format::{Format, holdable, parse, print, rewrite};
use confmesh::merge::{Layer, merge};
use confmesh::policy::{MergeStrategy, Rule};
use confmesh::{Path, Pattern, Policy, Value};
use confmesh_tests::random::{Random, cases};

const FORMATS: [Format; 8] = [
    Format::Json,
    Format::Jsonc,
    Format::Json5,
    Format::Yaml,
    Format::Toml,
    Format::Dotenv,
    Format::Ini,
    Format::Properties,
];

fn documents(seed: u64) -> (Random, Value, Value) {
    let mut random = Random::of(seed);
    let old = random.document(4);
    let new = random.edited(&old, 4);
    (random, old, new)
}

/// What the format can hold of a document; none where that is nothing.
fn held(value: &Value, format: Format) -> Option<Value> {
    let Value::Map(map) = value else { return None };
    let text = |value: &Value| value.as_str().is_some();
    match format {
        Format::Dotenv => {
            let is_key = |key: &str| key.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c));
            Some(Value::Map(
                map.iter().filter(|(k, v)| is_key(k) && text(v)).map(|(k, v)| (k.clone(), v.clone())).collect(),
            ))
        }
        Format::Ini => {
            let inner = |value: &Value| {
                if value.as_map().is_some() { held(value, format) } else { Some(value.clone()).filter(text) }
            };
            Some(Value::Map(map.iter().filter_map(|(k, v)| Some((k.clone(), inner(v)?))).collect()))
        }
        Format::Properties => Some(confmesh::format::held(value, format).value),
        _ => Some(holdable(value, format)).filter(|value| print(value, format).is_ok()),
    }
}

#[test]
fn every_format_reads_back_what_it_prints() {
    let mut tried = [0; FORMATS.len()];
    for seed in 0..cases(3_000) {
        let (_, value, _) = documents(seed);
        for (count, format) in tried.iter_mut().zip(FORMATS) {
            let Some(value) = held(&value, format) else { continue };
            let text = print(&value, format).unwrap();
            assert_eq!(parse(&text, format).as_ref(), Ok(&value), "seed {seed}, {format:?}: {text}");
            assert_eq!(
                rewrite(&text, format, &value).as_ref(),
                Ok(&text),
                "seed {seed}, {format:?}: an edit of nothing"
            );
            *count += u64::from(value != Value::empty_map());
        }
    }
    assert!(tried.iter().all(|count| *count > cases(3_000) / 10), "{tried:?}");
}

#[test]
fn canonical_text_is_a_fixpoint_and_hashes_follow_the_value() {
    for seed in 0..cases(3_000) {
        let (_, old, new) = documents(seed);
        let text = canonical(&old);
        let read = parse(&text, Format::Json).unwrap();
        assert_eq!((&read, canonical(&read)), (&old, text), "seed {seed}");
        let other = parse(&print(&old, Format::Yaml).unwrap(), Format::Yaml).unwrap();
        assert_eq!(content_hash(&other), content_hash(&old), "seed {seed}: through another format");
        assert_eq!(content_hash(&old) == content_hash(&new), old == new, "seed {seed}");
    }
}

#[test]
fn differences_lead_from_one_document_to_the_other() {
    for seed in 0..cases(5_000) {
        let (_, old, new) = documents(seed);
        let patch = Patch::between(&old, &new);
        assert_eq!(patch.apply(&old).as_ref(), Ok(&new), "seed {seed}");
        assert_eq!(Patch::from_value(&patch.to_value()).as_ref(), Ok(&patch), "seed {seed}");
        assert_eq!((diff(&old, &new).is_empty(), patch.is_empty()), (old == new, old == new), "seed {seed}");
        assert!(diff(&old, &old).is_empty() && Patch::between(&old, &old).is_empty(), "seed {seed}");
        let set = diff(&old, &new).into_iter().fold(old.clone(), |value, change| match change.new {
            Some(new) => value.with(&change.path, new),
            None => value.without(&change.path),
        });
        assert_eq!(set, new, "seed {seed}: what the changes say");
        if let Ok(patch) = merge_patch_between(&old, &new) {
            assert_eq!(apply_merge_patch(&old, &patch), new, "seed {seed}");
        }
    }
}

#[test]
fn of_three_documents_the_side_that_changed_alone_wins() {
    for seed in 0..cases(5_000) {
        let (mut random, base, ours) = documents(seed);
        let theirs = random.edited(&base, 4);
        for (one, two) in [(&base, &ours), (&ours, &base), (&ours, &ours)] {
            let merged = three_way(&base, one, two);
            assert_eq!((&merged.value, merged.conflicts.len()), (&ours, 0), "seed {seed}");
        }
        let (one, two) = (three_way(&base, &ours, &theirs), three_way(&base, &theirs, &ours));
        assert_eq!(one.conflicts.len(), two.conflicts.len(), "seed {seed}");
        assert!(!one.conflicts.is_empty() || one.value == two.value, "seed {seed}");
    }
}

fn policy(random: &mut Random) -> Policy {
    let strategies = [
        MergeStrategy::Override,
        MergeStrategy::MergeDict,
        MergeStrategy::DeepMerge,
        MergeStrategy::AppendList,
        MergeStrategy::UnionSet,
    ];
    let patterns = ["a", "b.*", "**.c", "host", "d.a"];
    let rules = (0..random.below(3)).map(|_| {
        let pattern = Pattern::parse(random.pick::<&str>(&patterns)).unwrap();
        Rule::on(pattern).merge(*random.pick(&strategies))
    });
    Policy::of(rules.collect::<Vec<_>>()).unwrap_or_default()
}

#[test]
fn merging_does_not_depend_on_load_order_and_updates_are_merges_anew() {
    for seed in 0..cases(2_000) {
        let mut random = Random::of(seed);
        let base = random.document(3);
        let policy = policy(&mut random);
        let mut layers: Vec<Layer> = (0..4)
            .map(|at| {
                let layer = Layer::new(format!("l{at}"), at * 10, random.edited(&base, 3));
                if random.below(4) == 0 { layer.with_unset(Path::parse("a").unwrap()) } else { layer }
            })
            .filter(|layer| layer.value.as_map().is_some())
            .collect();
        let merged = merge(&layers, &policy);
        let sources: Vec<_> = merged.provenance().collect();
        for _ in 0..3 {
            let at = random.below(layers.len());
            layers.rotate_left(at);
            layers.swap(0, at);
            let again = merge(&layers, &policy);
            assert_eq!(again.value, merged.value, "seed {seed}");
            assert_eq!(again.provenance().collect::<Vec<_>>(), sources, "seed {seed}");
        }
        let at = random.below(layers.len());
        let edited = random.edited(&layers[at].value, 3);
        if edited.as_map().is_some() {
            layers[at].value = edited;
            let (updated, anew) = (merged.update(&layers, &policy), merge(&layers, &policy));
            assert_eq!((&updated.value, &updated.warnings), (&anew.value, &anew.warnings), "seed {seed}");
            assert!(updated.provenance().eq(anew.provenance()), "seed {seed}");
        }
    }
}

/// A text with a comment of its own on every line, in the ways that editors leave behind.
fn styled(text: &str, format: Format, random: &mut Random) -> String {
    let mark = match format {
        Format::Jsonc | Format::Json5 => "//",
        Format::Ini => ";",
        _ => "#",
    };
    let mut text: String = text.lines().enumerate().map(|(at, line)| format!("{line} {mark} c{at}\n")).collect();
    if format == Format::Jsonc && random.below(2) == 0 {
        text = text.replace("  ", "\t");
    }
    if random.below(3) == 0 {
        text.truncate(text.len() - 1);
    }
    if random.below(2) == 0 {
        text = text.replace('\n', "\r\n");
    }
    if random.below(3) == 0 {
        text.insert(0, '\u{feff}');
    }
    text
}

#[test]
fn an_edit_of_one_scalar_changes_its_line_and_no_other_byte() {
    let mut tried = [0; FORMATS.len()];
    for seed in 0..cases(4_000) {
        let (mut random, value, _) = documents(seed);
        for (count, format) in tried.iter_mut().zip(FORMATS) {
            let Some(old) = held(&value, format).filter(|old| *old != Value::empty_map()) else { continue };
            let text = styled(&print(&old, format).unwrap(), format, &mut random);
            // JSON has no comments, and block texts take one in.
            if parse(&text, format).as_ref() != Ok(&old) {
                continue;
            }
            let mut leaves = Vec::new();
            old.for_each_leaf(&mut |path, leaf| {
                if !matches!(leaf, Value::Map(_) | Value::List(_)) {
                    leaves.push(path.clone());
                }
            });
            let (false, new) = (leaves.is_empty(), random.scalar()) else { continue };
            let target = old.with(random.pick(&leaves), new);
            let Some(target) = held(&target, format).filter(|held| *held == target && target != old) else { continue };
            let edited = rewrite(&text, format, &target).unwrap();
            assert_eq!(parse(&edited, format).as_ref(), Ok(&target), "seed {seed}, {format:?}:\n{text}\n=>\n{edited}");
            let (a, b): (Vec<&str>, Vec<&str>) = (text.split('\n').collect(), edited.split('\n').collect());
            let changed: Vec<_> = a.iter().zip(&b).filter(|(a, b)| a != b).collect();
            assert_eq!((a.len(), changed.len()), (b.len(), 1), "seed {seed}, {format:?}:\n{text}\n=>\n{edited}");
            let comment = |line: &str| line.rsplit(' ').next().unwrap_or("").to_owned();
            assert_eq!(comment(changed[0].0), comment(changed[0].1), "seed {seed}, {format:?}: {changed:?}");
            *count += 1;
        }
    }
    let vacuous = tried
        .iter()
        .zip(FORMATS)
        .find(|(count, format)| !matches!(format, Format::Json | Format::Properties) && **count < cases(4_000) / 20);
    assert!(vacuous.is_none(), "{tried:?}");
}

/// Every way to write YAML and TOML that has an edit of its own.
const STYLES: [(Format, &str); 6] = [
    (
        Format::Yaml,
        "# top\nplain: one # p\nflow: {a: 1, b: [x, 'y z', {c: d}]} # f\nlist:\n- a # a\n- - b\n  - c: 1 # c\n    d: 2\n-\n  e: 3\n\
         anchor: &x # x\n  deep: 1 # deep\nalias: *x # alias\nliteral: |\n  two\n  lines\nfolded: >-\n  one\n\n  more\n\
         \"q\": \"a \\\n  b\"\n'it''s': 'x\n\n  y' # s\n? long\n: value # v\nnothing: # n\nlast: !!str 1 # l",
    ),
    (
        Format::Toml,
        "# top\nplain = 'one' # p\nmany = [ # open\n  1, # one\n  [2, 3],\n] # close\ntable = { a = 1, b = { c = \"d\" } } # t\na.b.c = 1 # dotted\n\
         text = \"\"\"\ntwo\nlines\"\"\" # m\n\n[limits] # l\n\trate = 10 # r\n\n[limits.deep]\nx = 0x1F # x\n\n[[servers]] # s0\nname = \"a\"\n\n\
         [[servers]] # s1\nname = \"b\" # b\n  [servers.tls] # tls\n  on = true",
    ),
    (
        Format::Jsonc,
        "// top\n{\n\t\"a\": 1, // a\n\t\"b\": [1, /* in */ 2, [3]], // b\n\t\"c\": { // c\n\t\t\"d\": \"x\",\n\t\t\"e\": {\"f\": null}, // e\n\t},\n\
         \t/* z */ \"z\": [ // z\n\t\t{\"y\": 1}, // y\n\t]\n} // end",
    ),
    (
        Format::Json5,
        "// top\n{\n\ta: 1, // a\n\t'b c': [.5, /* in */ 'it\\'s', [+3]], // b\n\tc: { // c\n\t\t\"d\": 'x\\\ny',\n\t\te: {f: null}, // e\n\t},\n\
         \tz: [ // z\n\t\t{y: 0xFF}, // y\n\t]\n} // end",
    ),
    (
        Format::Properties,
        "# top\na = 1\nempty\n! s\ns.b: x\n\ts.c\\.d  y\\\n    z\n\n# t\nt=\\u00e9 \\n\nt.u=\\ lead\n",
    ),
    (
        Format::Ini,
        "; top\na = 1 ; a\nempty =\n[s] ; s\nb: 'x' ; b\n\tc = y # c\n[s.\"t.u\"]\nd = \"e\\n\" ; d\n[v]\n\"q k\" = z ; z",
    ),
];

#[test]
fn every_place_of_every_style_can_be_edited_and_comments_elsewhere_stay() {
    for (format, sample) in STYLES {
        for (restyle, mark) in [("\n", ""), ("\r\n", ""), ("\n", "\u{feff}"), ("\r\n", "\u{feff}")] {
            let text = format!("{mark}{}", sample.replace('\n', restyle));
            let old = parse(&text, format).unwrap();
            for path in paths(&old) {
                for new in [Some("new"), None, Some("it's # no")] {
                    let target = match new {
                        Some(new) => old.with(&path, new.into()),
                        None => old.without(&path),
                    };
                    let edited = rewrite(&text, format, &target).unwrap();
                    assert_eq!(parse(&edited, format).as_ref(), Ok(&target), "`{path}` {new:?}:\n{text}\n=>\n{edited}");
                    assert!(edited.starts_with(mark), "the byte order mark stays");
                    if restyle == "\r\n" {
                        assert!(!edited.replace("\r\n", "").contains('\n'), "`{path}` {new:?}: {edited:?}");
                    }
                    let is_leaf = !matches!(old.at(&path), Some(Value::Map(_) | Value::List(_)));
                    if new.is_some() && is_leaf && !path.starts_with(&Path::parse("alias").unwrap()) {
                        for comment in comments(sample) {
                            assert!(edited.contains(comment), "`{path}` lost `{comment}`:\n{text}\n=>\n{edited}");
                        }
                    }
                }
            }
        }
    }
}

fn comments(text: &str) -> impl Iterator<Item = &str> {
    ["# ", "// ", "; "]
        .into_iter()
        .flat_map(|mark| text.lines().filter_map(move |line| line.find(mark).and_then(|at| line.get(at..))))
}

/// Every path below the root.
fn paths(value: &Value) -> Vec<Path> {
    fn walk(path: &Path, value: &Value, out: &mut Vec<Path>) {
        let mut child = |key: &str, value: &Value| {
            out.push(path.child(key));
            walk(&path.child(key), value, out);
        };
        match value {
            Value::Map(map) => map.iter().for_each(|(key, value)| child(key, value)),
            Value::List(list) => list.iter().enumerate().for_each(|(at, value)| child(&at.to_string(), value)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(&Path::root(), value, &mut out);
    out
}
