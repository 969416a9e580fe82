//! Turning a user's edits into assertions, at the place where they are made; receivers never repeat these rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Assertion, Claim, Effect, Replica};
use crate::clock::{Dot, Stamp, VersionVector};
use crate::conflict::{Meanwhile, Tag};
use crate::error::{Code, Error, Result};
use crate::limits::{MAX_DEPTH, RESERVED_KEY};
use crate::path::Path;
use crate::policy::Policy;
use crate::sequence::{Content, Kind, Operation};
use crate::value::{List, Map, Str, Value, index};

/// One wish of a user: the path shall hold this value, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where.
    pub path: Path,
    /// What; `None` removes the path.
    pub value: Option<Value>,
}

/// How to write.
#[derive(Clone, Debug)]
pub struct WriteOptions<'a> {
    /// The rules: they choose the conflict strategy that travels in the write.
    pub policy: &'a Policy,
    /// The version of these rules. Where writes of differing versions meet, the newest rule decides.
    pub policy_version: u32,
    /// The token of the lock under which it is written; 0 without.
    pub fence: u64,
    /// Whether to write over values whose rule keeps the first one.
    pub force: bool,
    /// What shows while a manual conflict that this write takes part in is open; none leaves it to the rules.
    pub meanwhile: Option<Meanwhile>,
    /// Write only if the replica has seen this and nothing else.
    pub if_version: Option<VersionVector>,
    /// Whether edits that change nothing are written too: they settle what is disagreed on at their paths.
    pub reasserts: bool,
    /// The person that it is written for.
    pub user: Option<Str>,
    /// Why it is written.
    pub message: Option<Str>,
    /// Whether it is made only because this is still what its author read: see [`super::Run`].
    pub is_conditional: bool,
}

impl<'a> WriteOptions<'a> {
    /// Writing by these rules, without lock, force or condition.
    pub fn under(policy: &'a Policy) -> WriteOptions<'a> {
        WriteOptions {
            policy,
            policy_version: 0,
            fence: 0,
            force: false,
            meanwhile: None,
            if_version: None,
            reasserts: false,
            user: None,
            message: None,
            is_conditional: false,
        }
    }
}

impl Replica {
    /// Writes edits as one new write of this replica, which sees everything here; `view` is the current document.
    ///
    /// An edit below a scalar, inside a list or inside an atomic value is lifted to it: except under
    /// `operational_transform` a list is written whole, so concurrent edits of its items never address each other's
    /// indexes. A map is written whole only where one strategy holds for it and for everything below; else what changes
    /// in it is written key by key. Edits that change nothing are left out, and when nothing is left, no write is made
    /// and `None` is returned.
    ///
    /// # Errors
    /// [`Code::ReservedKey`] for a key of confmesh itself, [`Code::NotAMap`] for a root that is no map, [`Code::NotFound`]
    /// for an index that is no index of the list in the way, [`Code::TooLarge`] for a document that would nest too deep,
    /// [`Code::AlreadySet`] for a value whose rule keeps the first one, [`Code::Stale`] where the replica has seen
    /// something else than the condition says; [`Code::TooLarge`] also where the document has too many authors. Nothing is written then.
    pub fn write(
        &mut self,
        view: &Value,
        edits: &[Edit],
        options: &WriteOptions<'_>,
        wall_ms: u64,
    ) -> Result<Option<Effect>> {
        if options.if_version.as_ref().is_some_and(|version| *version != self.seen) {
            return Err(Error::new(Code::Stale, "the document changed since the version that the write is for")
                .with_hint("read it again and apply the change to what it is now"));
        }
        let drafts = self.drafts(view, edits, options)?;
        if drafts.is_empty() {
            return Ok(None);
        }
        self.may_author(self.id)?;
        let dot = Dot { replica: self.id, seq: self.seen.seq(self.id).saturating_add(1) };
        let context = Arc::new(self.seen.clone());
        let stamp = self.clock.tick(wall_ms);
        Ok(Some(self.assert(drafts, dot, &context, stamp, options)))
    }

    /// What a write of these edits comes to; empty where they change nothing.
    pub(super) fn drafts(&self, view: &Value, edits: &[Edit], options: &WriteOptions<'_>) -> Result<Drafts> {
        let mut encoder = Encoder { replica: self, options, drafts: BTreeMap::new() };
        if let [edit] = edits {
            check(edit)?;
            let (place, held) = lift(view, &edit.path, options.policy)?;
            if !options.reasserts && held == edit.value.as_ref() {
                return Ok(encoder.drafts);
            }
            // What is written where it was meant needs no copy of the document.
            if place.is_none() {
                encoder.region(&edit.path, held, edit.value.as_ref())?;
                encoder.keep_emptied_maps(|| edited(view, edit));
                encoder.clear_sequences();
                return Ok(encoder.drafts);
            }
        }
        let mut document = view.clone();
        let mut touched: Vec<Path> = Vec::new();
        for edit in edits {
            check(edit)?;
            let (place, held) = lift(&document, &edit.path, options.policy)?;
            if !options.reasserts && held == edit.value.as_ref() {
                continue;
            }
            let place = place.unwrap_or_else(|| edit.path.clone());
            document = edited(&document, edit);
            touched.push(place);
        }
        touched.sort();
        touched.dedup_by(|below, above| below.starts_with(above));
        touched.retain(|path| options.reasserts || view.at(path) != document.at(path));
        for path in &touched {
            encoder.region(path, view.at(path), document.at(path))?;
        }
        encoder.keep_emptied_maps(|| document);
        encoder.clear_sequences();
        Ok(encoder.drafts)
    }

    /// Takes in a new write with this name, past and stamp.
    pub(super) fn assert(
        &mut self,
        drafts: Drafts,
        dot: Dot,
        context: &Arc<VersionVector>,
        stamp: Stamp,
        options: &WriteOptions<'_>,
    ) -> Effect {
        let is_conditional = options.is_conditional || options.if_version.is_some();
        let runs: Vec<_> = drafts.keys().map(|path| is_conditional.then(|| self.next_run(path))).collect();
        self.seen.add(dot);
        let mut effect = Effect::default();
        let mut message = options.message.clone();
        for ((path, draft), run) in drafts.into_iter().zip(runs) {
            let assertion = Assertion {
                dot,
                context: Arc::clone(context),
                stamp,
                tag: draft.tag,
                path,
                claim: draft.claim,
                edits: draft.edits,
                policy: options.policy_version,
                fence: options.fence,
                added: draft.added,
                removed: draft.removed,
                previous: draft.previous,
                meanwhile: draft.meanwhile,
                user: options.user.clone(),
                message: message.take(),
                run,
            };
            self.insert_if_new(Arc::new(assertion), true, &mut effect);
        }
        effect
    }
}

/// The assertions of one write that is being made.
pub(super) type Drafts = BTreeMap<Path, Box<Draft>>;

/// An assertion without what all assertions of a write share.
pub(super) struct Draft {
    tag: Tag,
    claim: Claim,
    edits: BTreeMap<Kind, Operation>,
    added: Vec<Value>,
    removed: Vec<Value>,
    previous: Option<Value>,
    meanwhile: Meanwhile,
}

impl Draft {
    /// Whether this became of it.
    pub(super) fn is_of(&self, held: &Assertion) -> bool {
        (&self.claim, &self.edits, &self.added, &self.removed) == (&held.claim, &held.edits, &held.added, &held.removed)
    }

    fn of(tag: Tag, claim: Claim) -> Draft {
        Draft {
            tag,
            claim,
            edits: BTreeMap::new(),
            added: Vec::new(),
            removed: Vec::new(),
            previous: None,
            meanwhile: Meanwhile::Last,
        }
    }
}

/// How many removed items of a merged list a write remembers, its own first. Beyond, one that was removed long ago comes
/// back if somebody edits the list who never heard of it.
const MAX_REMEMBERED_ITEMS: usize = 256;

struct Encoder<'a> {
    replica: &'a Replica,
    options: &'a WriteOptions<'a>,
    drafts: Drafts,
}

impl Encoder<'_> {
    fn tag_at(&self, path: &Path) -> Tag {
        self.options.policy.conflict_at(path).into()
    }

    /// Writes what leads from `old` to `new` at a path.
    fn region(&mut self, path: &Path, old: Option<&Value>, new: Option<&Value>) -> Result<()> {
        let (policy, tag) = (self.options.policy, self.tag_at(path));
        // Whoever says the first value again adds nothing.
        if old == new && (!self.options.reasserts || (tag == Tag::FirstWriteWins && !self.options.force)) {
            return Ok(());
        }
        let old_map = old.and_then(Value::as_map);
        let is_atomic = policy.is_atomic(path);
        if old.is_some() && (is_atomic || old_map.is_none() || new.is_none_or(|v| v.as_map().is_none())) {
            self.refuse_second(path, tag)?;
        }
        if let Some(new_map) = new.and_then(Value::as_map)
            && !is_atomic
        {
            let one_rule = !policy.conflict_may_differ_below(path);
            let whole = one_rule
                && match tag {
                    Tag::LastWriteWins | Tag::Manual => true,
                    // A map that nobody had may be claimed whole: what others put beside it came second.
                    Tag::FirstWriteWins => old.is_none(),
                    Tag::Merge | Tag::Sequence | Tag::Mean => false,
                };
            let by_key = old_map.is_some_and(|old| !old.is_empty()) || !new_map.is_empty();
            if !whole && by_key {
                let old_keys = old_map.into_iter().flat_map(Map::keys);
                let keys: BTreeSet<Str> = old_keys.chain(new_map.keys()).cloned().collect();
                return keys.iter().try_for_each(|key| {
                    self.region(&path.child(key), old_map.and_then(|map| map.get(key)), new_map.get(key))
                });
            }
        }
        if !is_atomic && let Some(old) = old.filter(|_| old_map.is_some()) {
            self.remove_other_rules(path, old, new, tag)?;
        }
        let draft = self.whole(path, old, new, tag, is_atomic);
        self.drafts.insert(path.clone(), Box::new(draft));
        Ok(())
    }

    fn refuse_second(&self, path: &Path, tag: Tag) -> Result<()> {
        if tag != Tag::FirstWriteWins || self.options.force {
            return Ok(());
        }
        Err(Error::new(Code::AlreadySet, "the first value written here stays")
            .with_path(path.clone())
            .with_hint("force the write to replace it"))
    }

    /// Where a map goes, its leaves under other rules are removed by these rules: each concurrent write meets the rule of
    /// its own path.
    fn remove_other_rules(&mut self, path: &Path, old: &Value, new: Option<&Value>, tag: Tag) -> Result<()> {
        if new.is_some_and(|v| v.as_map().is_some_and(|map| !map.is_empty())) {
            return Ok(());
        }
        let mut leaves = Vec::new();
        old.for_each_leaf(&mut |below, _| leaves.push(path.join(below)));
        for leaf in leaves.into_iter().filter(|leaf| leaf != path) {
            let leaf_tag = self.tag_at(&leaf);
            self.refuse_second(&leaf, leaf_tag)?;
            if leaf_tag != tag {
                self.drafts.insert(leaf, Box::new(Draft::of(leaf_tag, Claim::Absent)));
            }
        }
        Ok(())
    }

    /// The claim of one value at a path.
    fn whole(&self, path: &Path, old: Option<&Value>, new: Option<&Value>, tag: Tag, is_atomic: bool) -> Draft {
        let (meanwhile, previous) = self.meanwhile(path, old, new, tag);
        let Some(new) = new else { return Draft { previous, meanwhile, ..Draft::of(tag, Claim::Absent) } };
        let mut draft = Draft { previous, meanwhile, ..Draft::of(tag, Claim::Value(new.clone())) };
        if tag == Tag::Sequence
            && !is_atomic
            && let (Some(kind), Some(content)) = (Kind::of(new), Content::of(new))
        {
            let edit = Operation::between_contents(&self.replica.sequence(path, kind), &content);
            draft.claim = Claim::Sequence(kind);
            if !edit.is_empty() {
                draft.edits.insert(kind, edit);
            }
        }
        if tag == Tag::Merge
            && let Some(items) = new.as_list()
        {
            let before = old.and_then(Value::as_list).cloned().unwrap_or_default();
            let not_in = |list: &List, item: &Value| !list.iter().any(|other| other == item);
            draft.added = items.iter().filter(|item| not_in(&before, item)).cloned().collect();
            let own = before.iter().filter(|item| not_in(items, item));
            // What this write takes the place of had removed items too. Who did not see that still lists them.
            let covered = self.replica.live.at(path).iter();
            let inherited = covered.flat_map(|assertion| &assertion.removed).filter(|item| not_in(items, item));
            for item in own.chain(inherited) {
                if draft.removed.len() < MAX_REMEMBERED_ITEMS && !draft.removed.contains(item) {
                    draft.removed.push(item.clone());
                }
            }
        }
        draft
    }

    /// What shows while a manual conflict is open. What was there before cannot where a map gave way to something else:
    /// it was held by assertions below, which the write replaces.
    fn meanwhile(&self, path: &Path, old: Option<&Value>, new: Option<&Value>, tag: Tag) -> (Meanwhile, Option<Value>) {
        let is_map = |value: &Value| value.as_map().is_some();
        match self.options.meanwhile.unwrap_or_else(|| self.options.policy.meanwhile_at(path)) {
            _ if tag != Tag::Manual => (Meanwhile::Last, None),
            Meanwhile::Previous if old.is_some_and(is_map) && !new.is_some_and(is_map) => (Meanwhile::Last, None),
            Meanwhile::Previous => (Meanwhile::Previous, old.cloned()),
            other => (other, None),
        }
    }

    /// Maps that would vanish with their last child although the user only removed the child: they exist because
    /// something was written below them, so the write has to say that the empty map stays.
    fn keep_emptied_maps(&mut self, document: impl FnOnce() -> Value) {
        let mut removed = self.drafts.iter().filter(|(_, draft)| draft.claim == Claim::Absent).peekable();
        if removed.peek().is_none() {
            return;
        }
        let document = document();
        let parents: BTreeSet<Path> = removed
            .filter_map(|(path, _)| path.parent())
            .filter(|parent| !parent.is_root() && document.at(parent) == Some(&Value::empty_map()))
            .filter(|parent| !self.drafts.contains_key(parent) && !self.replica.holds_map(parent))
            .collect();
        for parent in parents {
            let tag = self.tag_at(&parent);
            // The empty map says of its keys that they are gone, by its own rule.
            if matches!(tag, Tag::LastWriteWins | Tag::Manual) {
                self.drafts.retain(|path, draft| !path.starts_with(&parent) || draft.tag != tag);
            }
            self.drafts.insert(parent, Box::new(Draft::of(tag, Claim::Value(Value::empty_map()))));
        }
    }

    /// What covers a sequence deletes every item of it that its author saw, so that items which others insert at the same
    /// time stay alone.
    fn clear_sequences(&mut self) {
        if self.replica.sequences.is_empty() {
            return;
        }
        let covering: BTreeSet<Path> = self.drafts.keys().cloned().collect();
        for above in &covering {
            let below = self.replica.sequences.range(above.clone()..).map(|(path, _)| path);
            for path in below.take_while(|path| path.starts_with(above)) {
                if path != above && covering.contains(path) {
                    continue;
                }
                for kind in [Kind::List, Kind::Text] {
                    let stored = self.replica.sequence(path, kind).len();
                    let is_kept = self.drafts.get(path).is_some_and(|draft| draft.claim == Claim::Sequence(kind));
                    if stored > 0 && !is_kept {
                        let tag = self.tag_at(path);
                        let nothing = || Box::new(Draft::of(tag, Claim::Nothing));
                        let draft = self.drafts.entry(path.clone()).or_insert_with(nothing);
                        draft.edits.insert(kind, Operation::delete(0, stored));
                    }
                }
            }
        }
    }
}

fn check(edit: &Edit) -> Result<()> {
    if edit.path.is_root() && edit.value.as_ref().is_none_or(|v| v.as_map().is_none()) {
        let found = edit.value.as_ref().map_or("nothing", Value::type_name);
        return Err(Error::new(Code::NotAMap, format!("a document is a map, found {found}")));
    }
    let reserved = edit.path.segments().first().is_some_and(|first| first == RESERVED_KEY)
        || (edit.path.is_root()
            && edit.value.as_ref().and_then(Value::as_map).is_some_and(|map| map.contains_key(RESERVED_KEY)));
    if reserved {
        return Err(Error::new(Code::ReservedKey, format!("`{RESERVED_KEY}` is reserved for confmesh itself"))
            .with_path(edit.path.clone())
            .with_hint("choose another name for the key"));
    }
    let depth = edit.path.len() + edit.value.as_ref().map_or(0, Value::depth);
    if depth > MAX_DEPTH {
        return Err(Error::new(
            Code::TooLarge,
            format!("the document would nest {depth} levels deep, at most {MAX_DEPTH} are allowed"),
        )
        .with_path(edit.path.clone()));
    }
    Ok(())
}

fn edited(document: &Value, edit: &Edit) -> Value {
    match &edit.value {
        Some(value) => document.with(&edit.path, value.clone()),
        None => document.without(&edit.path),
    }
}

/// The place that an edit is written at, unless that is its own path: the first list, scalar or atomic value in its way.
/// And what its path holds.
fn lift<'a>(document: &'a Value, path: &Path, policy: &Policy) -> Result<(Option<Path>, Option<&'a Value>)> {
    let has_atomic = policy.rules().iter().any(|rule| rule.atomic.is_some());
    let mut here = document;
    let mut atomic: Option<Path> = None;
    for (depth, segment) in path.segments().iter().enumerate() {
        let above = || path.prefix(depth);
        if has_atomic && atomic.is_none() && policy.is_atomic(&above()) {
            atomic = Some(above());
        }
        match here {
            Value::Map(map) => match map.get(segment) {
                Some(child) => here = child,
                None => return Ok((atomic, None)),
            },
            Value::List(list) => {
                return match index(segment) {
                    Some(at) if at <= list.len() => Ok((atomic.or_else(|| Some(above())), document.at(path))),
                    _ => Err(Error::new(
                        Code::NotFound,
                        format!("`{segment}` is no index of the list at `{}`, which has {} items", above(), list.len()),
                    )
                    .with_path(path.clone())),
                };
            }
            _ => return Ok((atomic.or_else(|| Some(above())), None)),
        }
    }
    Ok((atomic, Some(here)))
}
