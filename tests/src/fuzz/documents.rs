//! What works on values: paths, patterns, patches, merges, references and schemas.

use confmesh::canonical::canonical;
use confmesh::diff::{Patch, apply_merge_patch, diff, merge_patch_between, three_way as merge_three};
use confmesh::format::{Format, holdable, parse, print};
use confmesh::merge::{Layer, interpolate as replace, merge as merge_layers, split_profiles};
use confmesh::schema::{ReferenceOptions, ReferenceStyle, Schema};
use confmesh::{Code, Path, Pattern, Policy, Value};

use super::{assert_sound, json_parts, parts, paths};

/// A path reads back from both of its forms, and names the same place in a document.
pub fn path(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let path = match Path::parse(&text) {
        Ok(path) => path,
        Err(error) => {
            assert!(matches!(error.code(), Code::PathSyntax | Code::TooLarge), "{error:?}");
            return;
        }
    };
    assert_eq!(Path::parse(&path.to_string()).as_ref(), Ok(&path), "the dotted form reads back");
    assert_eq!(Path::parse_pointer(&path.to_pointer()).as_ref(), Ok(&path), "the pointer reads back");
    assert_eq!(Path::parse(&path.to_pointer()).as_ref(), Ok(&path), "a path may be a pointer");
    let document = Value::empty_map().with(&path, 1.into());
    assert_eq!(document.at(&path), Some(&1.into()), "what is set is there");
    assert!(path.is_root() || document.without(&path).at(&path).is_none(), "what is removed is gone");
    assert!(Pattern::exactly(&path).matches(&path), "the pattern of exactly one path matches it");
}

/// A pattern matches what its definition says, and its shortcuts never deny a match.
pub fn pattern(data: &[u8]) {
    let [text, place] = match <[String; 2]>::try_from(parts(data)) {
        Ok(both) => both,
        Err(_) => return,
    };
    let pattern = match Pattern::parse(&text) {
        Ok(pattern) => pattern,
        Err(error) => return assert_eq!(error.code(), Code::PatternSyntax, "{error:?}"),
    };
    assert_eq!(pattern.to_string(), text);
    let Ok(place) = Path::parse(&place) else { return };
    let globs = globs(&text);
    if globs.len() > 12 || place.len() > 12 || text.len() > 200 {
        return;
    }
    let segments: Vec<Vec<char>> = place.segments().iter().map(|segment| segment.chars().collect()).collect();
    let matches = pattern.matches(&place);
    assert_eq!(matches, reaches(&globs, &segments), "{text:?} {place:?}");
    if let (true, Some(last)) = (matches, place.last()) {
        assert!(pattern.may_end_with(last), "{text:?} {place:?}");
        for above in std::iter::successors(place.parent(), Path::parent) {
            assert!(pattern.may_match_below(&above), "{text:?} {above:?}");
        }
    }
}

/// The segments of a pattern; no character is a star.
fn globs(text: &str) -> Vec<Vec<Option<char>>> {
    let mut segments = vec![Vec::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, segments.last_mut()) {
            ('.', _) => segments.push(Vec::new()),
            ('*', Some(segment)) => segment.push(None),
            ('\\', Some(segment)) => segment.push(chars.next()),
            (c, Some(segment)) => segment.push(Some(c)),
            (_, None) => {}
        }
    }
    segments
}

/// The definition of matching, as slow as it is plain.
fn reaches(globs: &[Vec<Option<char>>], segments: &[Vec<char>]) -> bool {
    let Some((first, rest)) = globs.split_first() else { return segments.is_empty() };
    let some = segments.split_first();
    match first.as_slice() {
        [None, None] => (0..=segments.len()).any(|at| segments.get(at..).is_some_and(|left| reaches(rest, left))),
        [None] if rest.is_empty() => !segments.is_empty(),
        glob => some.is_some_and(|(segment, left)| spells(glob, segment) && reaches(rest, left)),
    }
}

fn spells(glob: &[Option<char>], text: &[char]) -> bool {
    match (glob.split_first(), text.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((None, rest)), Some((_, left))) => spells(rest, text) || spells(glob, left),
        (Some((None, rest)), None) => spells(rest, text),
        (Some((Some(c), rest)), Some((first, left))) => c == first && spells(rest, left),
        (Some((Some(_), _)), None) => false,
    }
}

/// A patch applies as its operations do one by one, or changes nothing.
pub fn patch(data: &[u8]) {
    let Some([document, patch]) = json_parts(data) else { return };
    let patch = match Patch::from_value(&patch) {
        Ok(patch) => patch,
        Err(error) => return assert_eq!(error.code(), Code::PatchSyntax, "{error:?}"),
    };
    assert_eq!(Patch::from_value(&patch.to_value()).as_ref(), Ok(&patch), "a patch reads back");
    let before = canonical(&document);
    let mut left = Ok(document.clone());
    for operation in patch.operations() {
        let one: Patch = [operation.clone()].into_iter().collect();
        left = left.and_then(|value| one.apply(&value));
    }
    let result = patch.apply(&document);
    assert_eq!(canonical(&document), before, "the document is left as it was");
    match (result, left) {
        (Ok(new), Ok(step)) => {
            assert_eq!(new, step, "one by one");
            assert_sound(&new);
            let between = Patch::between(&document, &new);
            assert_eq!(between.apply(&document).as_ref(), Ok(&new), "the difference leads there too");
        }
        (Err(error), step) => {
            assert_eq!(error.code(), Code::PatchFailed, "{error:?}");
            assert!(error.path().is_some(), "{error:?}");
            let too_much = error.message().contains("copies");
            assert!(step.is_err() || too_much, "what applies one by one applies at once: {error:?}");
        }
        (Ok(_), Err(error)) => panic!("what applies at once applies one by one: {error:?}"),
    }
}

/// A merge patch is what RFC 7396 says, twice is once, and the patch between two documents leads from one to the other.
pub fn merge_patch(data: &[u8]) {
    let Some([document, patch]) = json_parts(data) else { return };
    let new = apply_merge_patch(&document, &patch);
    assert_sound(&new);
    assert_eq!(new, merged_by_definition(Some(&document), &patch), "the pseudocode of RFC 7396");
    assert_eq!(apply_merge_patch(&new, &patch), new, "twice is once");
    match merge_patch_between(&document, &patch) {
        Ok(between) => assert_eq!(apply_merge_patch(&document, &between), patch),
        Err(error) => assert_eq!(error.code(), Code::Unrepresentable, "{error:?}"),
    }
}

fn merged_by_definition(target: Option<&Value>, patch: &Value) -> Value {
    let Value::Map(patch) = patch else { return patch.clone() };
    let mut result = target.filter(|target| target.as_map().is_some()).cloned().unwrap_or_else(Value::empty_map);
    for (key, change) in patch.iter() {
        let path = Path::root().child(key);
        result = match change {
            Value::Null => result.without(&path),
            change => {
                let child = merged_by_definition(result.child(key), change);
                result.with(&path, child)
            }
        };
    }
    result
}

/// Differences lead from one document to the other; of three, the side that changed alone wins, and who is ours decides
/// nothing but the conflicts.
pub fn three_way(data: &[u8]) {
    let Some([base, ours, theirs]) = json_parts(data) else { return };
    for (old, new) in [(&base, &ours), (&ours, &theirs), (&theirs, &base)] {
        assert_eq!(Patch::between(old, new).apply(old).as_ref(), Ok(new));
        assert_eq!(diff(old, new).is_empty(), old == new);
        assert_eq!(merge_three(old, old, new).value, *new, "only theirs changed");
        assert_eq!(merge_three(old, new, old).value, *new, "only ours changed");
        assert_eq!(merge_three(old, new, new).value, *new, "both changed alike");
    }
    let (one, two) = (merge_three(&base, &ours, &theirs), merge_three(&base, &theirs, &ours));
    assert_sound(&one.value);
    let places = |conflicts: &[confmesh::diff::Conflict]| conflicts.iter().map(|c| c.path.clone()).collect::<Vec<_>>();
    assert_eq!(places(&one.conflicts), places(&two.conflicts));
    if one.conflicts.is_empty() {
        assert_eq!(one.value, two.value);
    }
}

/// The order in which layers are given decides nothing but ties, an update gives what merging anew gives, and every
/// value is accounted for.
pub fn merge(data: &[u8]) {
    let texts = parts(data);
    let mut values = texts.iter().map_while(|text| parse(text, Format::Json).ok());
    let Some(layers) = values.next().and_then(|value| value.as_list().cloned()) else { return };
    let policy = values.next().map_or_else(|| Ok(Policy::default()), |rules| Policy::from_value(&rules));
    let layers: Result<Vec<Layer>, _> = layers.iter().map(Layer::from_value).collect();
    let (Ok(mut layers), Ok(policy)) = (layers, policy) else { return };
    let merged = merge_layers(&layers, &policy);
    assert_sound(&merged.value);
    assert_eq!(merged.update(&layers, &policy).value, merged.value, "an update that changes nothing");
    let first = layers.first().cloned().into_iter().collect::<Vec<_>>();
    let updated = merge_layers(&first, &policy).update(&layers, &policy);
    assert_eq!((&updated.value, &updated.warnings), (&merged.value, &merged.warnings), "an update is a merge anew");
    let accounts = merged.provenance().collect::<Vec<_>>();
    for (path, source) in accounts.iter().take(100) {
        let explained = merged.explain(path).unwrap_or_else(|| panic!("`{path}` is not explained"));
        assert!(explained.value.is_some() && explained.winner.is_some(), "`{path}` of {source} has no winner");
    }
    for path in paths(&merged.value, 100) {
        assert!(path.is_root() || merged.explain(&path).is_some(), "`{path}` is not explained");
    }
    // A stable sort by priority is what merging starts with: any order that keeps it gives the same.
    layers.sort_by_key(|layer| std::cmp::Reverse(layer.priority));
    let turned = merge_layers(&layers, &policy);
    assert_eq!((&turned.value, turned.provenance().collect()), (&merged.value, accounts), "load order");
}

/// References are replaced within bounds, problems have paths, and what holds none stays what it was.
pub fn interpolate(data: &[u8]) {
    let Some([document]) = json_parts(data) else { return };
    let env = |name: &str| (!name.starts_with('_')).then(|| format!("<{name}>"));
    let (value, errors) = replace(&document, &env);
    assert!(value.depth() <= confmesh::limits::MAX_DEPTH, "nested {} levels deep", value.depth());
    assert_eq!(replace(&document, &env), (value.clone(), errors.clone()), "the same again");
    for error in &errors {
        let Some(path) = error.path() else { panic!("no path: {error:?}") };
        assert!(document.at(path).is_some(), "`{path}` is no path of the document: {error:?}");
    }
    if !canonical(&document).contains("${") {
        assert!(value.ptr_eq(&document) && errors.is_empty(), "nothing to replace");
    }
    if let Ok(profiles) = split_profiles(&document, &[]) {
        assert_eq!(profiles.len(), 1);
    }
}

/// A schema that reads checks any document, and completing or trimming a document twice is doing it once.
pub fn schema(data: &[u8]) {
    let Some([schema, document]) = json_parts(data) else { return };
    let schema = match Schema::from_value(&schema) {
        Ok(schema) => schema,
        Err(error) => return assert!(!error.message().is_empty()),
    };
    for error in schema.validate(&document, |_| None) {
        assert!(error.path().is_some(), "no path: {error:?}");
        assert!(!error.message().is_empty() && !error.message().ends_with('.'), "{error:?}");
    }
    let whole = schema.apply_defaults(&document);
    assert_eq!(schema.apply_defaults(&whole), whole, "defaults twice");
    let known = schema.without_unknown(&document);
    assert_eq!(schema.without_unknown(&known), known, "trimmed twice");
    let initial = schema.initial(Format::Json).map(|text| parse(&text, Format::Json).unwrap());
    for format in [Format::Jsonc, Format::Yaml, Format::Toml] {
        if let (Ok(text), Ok(initial)) = (schema.initial(format), &initial) {
            assert_eq!(parse(&text, format), Ok(holdable(initial, format)), "the first file of a schema: {text}");
        }
    }
    assert!(schema.reference(&ReferenceOptions::default()).is_ok());
    let for_editors = ReferenceOptions { style: ReferenceStyle::JsonSchema, ..ReferenceOptions::default() };
    // A build without it says so.
    if let Ok(text) = schema.reference(&for_editors) {
        let printed = Schema::from_value(&parse(&text, Format::Json).unwrap());
        assert!(printed.is_ok(), "{printed:?}: {text}");
    }
    if let Ok(layer) = Layer::from_env("APP", variables(&document)) {
        let typed = schema.coerce(&layer);
        assert!(print(&typed.value, Format::Json).is_ok());
    }
}

/// Variables that a document's first level names.
fn variables(document: &Value) -> Vec<(String, String)> {
    let entries = document.as_map().into_iter().flat_map(|map| map.iter());
    entries.map(|(key, value)| (format!("APP_{key}"), canonical(value))).collect()
}
