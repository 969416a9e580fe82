//! Edits of YAML texts in place: which aliases stay, and what stands inside brackets.

use std::collections::{BTreeMap, BTreeSet};

use super::align::Alignment;
use super::edit::{Comments, Edits, Forced, line_end, line_start, settle, skip_hash_comments};
use super::flow_edit::{Spelling, blank_to_line_end};
use super::tree::{Body, Node};
use super::yaml::{parse, parse_tree};
use super::yaml_block::{BlockEdit, column};
use super::yaml_print;
use super::yaml_shape::{Kind, Shape, shape, skip_properties};
use super::yaml_style;
use crate::value::{Map, Str, Value};

/// The text changed so that it parses to the target; none if only a new print would do.
pub(super) fn rewrite(text: &str, target: &Value, newline: &str) -> Option<String> {
    let tree = parse_tree(text).ok()?;
    let mut survey = Survey::default();
    survey.node(&tree, Some(target));
    let brought = survey.brought();
    let some = survey.expanded(&brought);
    let from = document_start(text, &tree);
    let is_empty = tree.value == Value::empty_map() && matches!(tree.body, Body::Leaf);
    let root = shape(text, tree, from);
    let unit = " ".repeat(indent_unit(text, &root).unwrap_or(2));
    let edited = |expanded: &BTreeSet<usize>, brought: &BTreeMap<usize, Map>, forced: &Forced, has_blocks: bool| {
        if is_empty {
            let open = !text.is_empty() && !text.ends_with('\n');
            let new = yaml_print::document(target).replace('\n', newline);
            return Some(format!("{text}{}{new}", if open { newline } else { "" }));
        }
        let edits = Edits::default();
        let mut edit = BlockEdit { text, newline, unit: &unit, forced, expanded, brought, has_blocks, edits };
        edit.root(&root, target, from);
        edit.edits.apply(text)
    };
    // A comment may stand where a block would swallow it.
    for has_blocks in [true, false] {
        if let Some(new) = edited(&some, &brought, &Forced::new(), has_blocks)
            && parse(&new).is_ok_and(|value| value == *target)
        {
            return Some(new);
        }
    }
    // An anchor may have moved behind its alias, or gone with what held it: then every alias is written out.
    let merges = survey.merges.iter().map(|merge| merge.start);
    let all: BTreeSet<usize> = survey.aliases.iter().map(|alias| alias.start).chain(merges).collect();
    let settled = |has_blocks| {
        settle(&root.value, target, parse, |forced: &Forced| edited(&all, &BTreeMap::new(), forced, has_blocks))
    };
    settled(true).or_else(|| settled(false))
}

/// What anchors and aliases are to stand for.
#[derive(Default)]
struct Survey {
    anchors: BTreeMap<usize, Option<Value>>,
    aliases: Vec<Alias>,
    merges: Vec<Merge>,
}

/// A merge key and the map that it stands in.
struct Merge {
    start: usize,
    /// What it names: anchors, and maps that stand there.
    sources: Vec<Result<usize, Map>>,
    own: BTreeSet<Str>,
    target: Map,
}

struct Alias {
    start: usize,
    anchor: usize,
    old: Value,
    target: Option<Value>,
}

impl Survey {
    fn node(&mut self, node: &Node, target: Option<&Value>) {
        if node.anchor > 0 {
            self.anchors.insert(node.anchor, target.cloned());
        }
        match &node.body {
            _ if node.is_opaque => {}
            Body::Leaf => {}
            Body::Alias(anchor) => {
                let (old, target) = (node.value.clone(), target.cloned());
                self.aliases.push(Alias { start: node.span.start, anchor: *anchor, old, target });
            }
            Body::List(items) => {
                let aligned = target.and_then(Value::as_list).map(|new| {
                    let old: Vec<&Value> = items.iter().map(|item| &item.value).collect();
                    (new, Alignment::new(&old, new.as_slice()).targets())
                });
                for (at, item) in items.iter().enumerate() {
                    let target = aligned.as_ref().and_then(|(new, to)| new.get((*to.get(at)?)?));
                    self.node(item, target);
                }
            }
            Body::Map(entries) => {
                let map = target.and_then(Value::as_map);
                for entry in entries {
                    if !entry.is_merge {
                        self.node(&entry.node, map.and_then(|map| map.get(&entry.key)));
                    } else if let Some(target) = map {
                        let own =
                            entries.iter().filter(|entry| !entry.is_merge).map(|entry| entry.key.clone()).collect();
                        let (start, sources) = (entry.key_span.start, sources(&entry.node));
                        self.merges.push(Merge { start, sources, own, target: target.clone() });
                    }
                }
            }
        }
    }

    /// What each merge key that can stay will bring, by where it starts.
    fn brought(&self) -> BTreeMap<usize, Map> {
        let brings = |merge: &Merge| {
            let mut map = Map::default();
            for source in &merge.sources {
                let source = match source {
                    Ok(anchor) => self.anchors.get(anchor)?.as_ref()?.as_map()?,
                    Err(map) => map,
                };
                for (key, value) in source.iter() {
                    if !map.contains_key(key) {
                        map = map.with(key.clone(), value.clone());
                    }
                }
            }
            // An entry cannot be taken back, only be written over.
            let stays = map.keys().all(|key| merge.target.contains_key(key));
            stays.then_some((merge.start, map))
        };
        self.merges.iter().filter_map(brings).collect()
    }

    /// Where the aliases start that are to stand for something else than their anchor, and the merge keys beside which
    /// something has to be written.
    fn expanded(&self, brought: &BTreeMap<usize, Map>) -> BTreeSet<usize> {
        let is_short = |merge: &&Merge| {
            brought.get(&merge.start).is_none_or(|brought| {
                merge.target.iter().any(|(key, value)| !merge.own.contains(key) && brought.get(key) != Some(value))
            })
        };
        let merges = self.merges.iter().filter(is_short).map(|merge| merge.start);
        let differs = |alias: &&Alias| match self.anchors.get(&alias.anchor) {
            Some(anchored) => alias.target.is_some() && alias.target != *anchored,
            // The anchor of a key.
            None => alias.target.as_ref().is_some_and(|target| *target != alias.old),
        };
        self.aliases.iter().filter(differs).map(|alias| alias.start).chain(merges).collect()
    }
}

/// What a merge key names.
fn sources(node: &Node) -> Vec<Result<usize, Map>> {
    match (&node.body, &node.value) {
        (Body::Alias(anchor), _) => vec![Ok(*anchor)],
        (Body::List(items), _) => items.iter().flat_map(sources).collect(),
        (_, Value::Map(map)) => vec![Err(map.clone())],
        _ => Vec::new(),
    }
}

/// Where the root may start: behind `---` and directives, if there are any.
fn document_start(text: &str, root: &Node) -> usize {
    let before = text.get(..root.span.start).unwrap_or("");
    match before.rfind("---") {
        Some(at) if at == line_start(text, at) => at + 3,
        _ => 0,
    }
}

/// How many columns the first nested block map is indented by.
fn indent_unit(text: &str, shape: &Shape) -> Option<usize> {
    let Kind::Block(slots) = &shape.kind else { return None };
    slots.iter().find_map(|slot| {
        let Kind::Block(inner) = &slot.shape.kind else { return None };
        let first = inner.first()?;
        if slot.key.is_some() && first.key.is_some() {
            column(text, first.start).checked_sub(column(text, slot.start)).filter(|unit| *unit > 0)
        } else {
            indent_unit(text, &slot.shape)
        }
    })
}

/// YAML inside brackets.
pub(super) struct Yaml;

impl Spelling for Yaml {
    const COMMENTS: Comments = Comments::Hash;

    fn key(&self, key: &str) -> String {
        yaml_print::key(key)
    }

    fn value(&self, value: &Value, _: Option<&str>) -> String {
        let mut out = String::new();
        yaml_print::inline(&mut out, value);
        out
    }

    fn like(&self, model: &str, value: &Value) -> Option<String> {
        yaml_style::flow(model, value)
    }

    fn content(&self, text: &str, node: &std::ops::Range<usize>) -> usize {
        let content = skip_properties(text, node.start).min(node.end);
        // A tag would not fit any more.
        let tagged = text.get(node.start..content).is_some_and(|before| before.contains('!'));
        if tagged { node.start } else { content }
    }

    fn skip(&self, text: &str, at: usize) -> usize {
        skip_hash_comments(text, at)
    }

    fn rest_of_line(&self, text: &str, at: usize) -> Option<usize> {
        let end = line_end(text, at);
        if text.get(at..end)?.trim_start().starts_with('#') { Some(end) } else { blank_to_line_end(text, at) }
    }

    fn unit(&self) -> &str {
        "  "
    }

    fn colon(&self) -> &'static str {
        ": "
    }

    fn space(&self) -> &'static str {
        " "
    }
}
