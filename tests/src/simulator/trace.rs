//! Editing traces: what people typed, as edits of one text with what each author had seen.
//!
//! Read are the two JSON forms in which traces are published: *sequential* ones (`startContent`, `endContent`, `txns` with
//! `patches` of `[position, deleted, inserted]`), and *concurrent* ones (`kind: "concurrent"`, and `parents` and an
//! `agent` for every transaction). Positions count Unicode scalar values.

use std::collections::BTreeMap;

use confmesh::clock::{Dot, VersionVector};
use confmesh::id::ReplicaId;
use confmesh::sequence::{self, Content, Kind, Operation};
use serde_json::{Value as Json, json};

use super::random::Random;
use super::sequences;

/// One patch: a write of its own.
#[derive(Clone, Debug)]
struct Patch {
    dot: Dot,
    context: VersionVector,
    operation: Operation,
}

/// A trace, ready to be replayed.
#[derive(Clone, Debug)]
pub struct Trace {
    patches: Vec<Patch>,
    /// The text that it has to end with.
    pub end: String,
}

fn author(number: usize) -> ReplicaId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    ReplicaId::from_bytes(bytes)
}

impl Trace {
    /// Reads a trace.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn read(text: &str) -> Result<Trace, String> {
        let json: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let field = |name: &str| json.get(name).ok_or_else(|| format!("the trace has no `{name}`"));
        let end = field("endContent")?.as_str().ok_or("`endContent` is no text")?.to_owned();
        let mut trace = Trace { patches: Vec::new(), end };
        // What was seen after each transaction, and the last one of each author.
        let mut seen: Vec<VersionVector> = Vec::new();
        let mut last: BTreeMap<usize, VersionVector> = BTreeMap::new();
        let is_concurrent = json.get("kind").and_then(Json::as_str) == Some("concurrent");
        let mut authors = usize::try_from(json.get("numAgents").and_then(Json::as_u64).unwrap_or(1)).unwrap_or(1);
        if let Some(start) = json.get("startContent").and_then(Json::as_str).filter(|start| !start.is_empty()) {
            let after = trace.push(author(0), VersionVector::default(), Operation::insert(0, start));
            seen.push(after.clone());
            last.insert(0, after);
        }
        let skipped = seen.len();
        for (at, transaction) in field("txns")?.as_array().ok_or("`txns` is no list")?.iter().enumerate() {
            let mut context = match is_concurrent {
                false => seen.last().cloned().unwrap_or_default(),
                true => {
                    let mut context = VersionVector::default();
                    for parent in transaction.get("parents").and_then(Json::as_array).into_iter().flatten() {
                        let parent = parent.as_u64().and_then(|p| usize::try_from(p).ok());
                        let parent = parent.and_then(|parent| seen.get(parent + skipped));
                        context.join(parent.ok_or_else(|| format!("transaction {at} has an unknown parent"))?);
                    }
                    context
                }
            };
            let mut who = usize::try_from(transaction.get("agent").and_then(Json::as_u64).unwrap_or(0)).unwrap_or(0);
            // Somebody who goes on from an older state of his own is another author to us.
            if last.get(&who).is_some_and(|last| !context.includes(last)) {
                who = authors;
                authors += 1;
            }
            for patch in transaction.get("patches").and_then(Json::as_array).into_iter().flatten() {
                let number = |at: usize| patch.get(at).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok());
                let inserted = patch.get(2).and_then(Json::as_str);
                let (Some(position), Some(deleted), Some(inserted)) = (number(0), number(1), inserted) else {
                    return Err(format!("transaction {at} has a patch that is not [position, deleted, inserted]"));
                };
                context = trace.push(author(who), context, Operation::replace(position, deleted, inserted));
            }
            last.insert(who, context.clone());
            seen.push(context);
        }
        Ok(trace)
    }

    fn push(&mut self, replica: ReplicaId, context: VersionVector, operation: Operation) -> VersionVector {
        let dot = Dot { replica, seq: context.seq(replica) + 1 };
        let mut after = context.clone();
        after.add(dot);
        self.patches.push(Patch { dot, context, operation });
        after
    }

    /// How many edits it has.
    pub fn len(&self) -> usize {
        self.patches.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.patches.is_empty()
    }

    /// The text that the core makes of it.
    pub fn replay(&self) -> String {
        let edits = self.patches.iter();
        let edits = edits.map(|p| sequence::Edit { dot: p.dot, context: &p.context, operation: &p.operation });
        match sequence::replay(Kind::Text, edits) {
            Content::Text(text) => text,
            Content::List(_) => String::new(),
        }
    }

    /// The text that the oracle makes of it.
    pub fn replay_by_the_book(&self) -> String {
        let edits = self.patches.iter();
        let edits = edits.map(|p| sequences::Edit { dot: p.dot, context: &p.context, operation: &p.operation });
        sequences::replayed(Kind::Text, edits.collect()).as_str().unwrap_or_default().to_owned()
    }
}

/// A trace of two authors who type, delete and merge now and then, in the concurrent form; the end is the oracle's.
pub fn generate(seed: u64, edits: usize) -> String {
    let mut random = Random::of(seed);
    let mut transactions: Vec<Json> = Vec::new();
    // The last transactions that each author saw, and the trace as each has it.
    let mut heads: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    let mut known: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    let mut cursor = [0, 0];
    let text_of = |transactions: &[Json], known: &[usize]| {
        let position = |old: &Json| known.iter().position(|k| Some(*k as u64) == old.as_u64());
        let mine: Vec<Json> = known
            .iter()
            .map(|at| {
                let mut one = transactions[*at].clone();
                let parents = one["parents"].as_array().into_iter().flatten().filter_map(position);
                one["parents"] = parents.map(|p| json!(p)).collect();
                one
            })
            .collect();
        let trace = json!({"kind": "concurrent", "endContent": "", "numAgents": 2, "txns": mine});
        Trace::read(&trace.to_string()).map(|trace| trace.replay_by_the_book()).unwrap_or_default()
    };
    while transactions.len() < edits {
        let who = random.below(2);
        if random.below(12) == 0 {
            let theirs = known[1 - who].clone();
            known[who].extend(theirs);
            known[who].sort_unstable();
            known[who].dedup();
            let (mine, other) = (heads[who].clone(), heads[1 - who].clone());
            heads[who] = mine.into_iter().chain(other).collect();
            heads[who].sort_unstable();
            heads[who].dedup();
        }
        let length = text_of(&transactions, &known[who]).chars().count();
        if random.below(6) == 0 {
            cursor[who] = random.below(length + 1);
        }
        cursor[who] = cursor[who].min(length);
        let at = cursor[who];
        let patch = if random.below(5) == 0 && at < length {
            json!([at, 1 + random.below((length - at).min(3)), ""])
        } else {
            let letter = random.pick(&["a", "b", "e", "n", " ", "é", "\u{1f600}", "the "]);
            cursor[who] += letter.chars().count();
            json!([at, 0, letter])
        };
        let number = transactions.len();
        transactions.push(json!({"parents": heads[who], "numChildren": 0, "agent": who, "patches": [patch]}));
        heads[who] = vec![number];
        known[who].push(number);
    }
    for at in 0..transactions.len() {
        let parents = transactions[at]["parents"].clone();
        for parent in parents.as_array().into_iter().flatten().filter_map(Json::as_u64) {
            let parent = &mut transactions[usize::try_from(parent).unwrap()];
            parent["numChildren"] = json!(parent["numChildren"].as_u64().unwrap_or(0) + 1);
        }
    }
    let all: Vec<usize> = (0..transactions.len()).collect();
    let end = text_of(&transactions, &all);
    let lines: Vec<String> = transactions.iter().map(Json::to_string).collect();
    format!(
        "{{\"kind\":\"concurrent\",\"endContent\":{},\"numAgents\":2,\"txns\":[\n{}\n]}}\n",
        json!(end),
        lines.join(",\n")
    )
}

/// A sequential trace of this many edits: somebody writes a long text, jumping back and deleting now and then.
pub fn long(seed: u64, edits: usize) -> String {
    let mut random = Random::of(seed);
    let (mut text, mut at): (Vec<char>, usize) = (Vec::new(), 0);
    let mut patches = Vec::new();
    for _ in 0..edits {
        if random.below(40) == 0 {
            at = random.below(text.len() + 1);
        }
        if random.below(4) == 0 && at > 0 {
            at -= 1;
            text.remove(at);
            patches.push(json!([at, 1, ""]));
        } else {
            let letter = random.pick(&['a', 'b', 'e', 'n', ' ', 'é']);
            text.insert(at, letter);
            patches.push(json!([at, 0, letter.to_string()]));
            at += 1;
        }
    }
    let transactions: Vec<Json> = patches.into_iter().map(|patch| json!({"time": "", "patches": [patch]})).collect();
    json!({"startContent": "", "endContent": text.into_iter().collect::<String>(), "txns": transactions}).to_string()
}
