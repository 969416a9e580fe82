//! Names: ids of replicas and births, documents and paths, each written once and then referred to.
//!
//! Within a frame an id that was written gets a local number. Across frames of one connection, names get numbers that the
//! sender chooses once for its whole life and never gives to another name. It refers to a number only after the receiver
//! has *reported* that it learned it; so a lost or repeated frame, or a receiver that has no room, costs bytes and nothing
//! else. Both sides forget what they learned when the connection ends.

use std::collections::{BTreeMap, BTreeSet};

use super::bytes::{Reader, malformed, put_count, put_text, put_varint};
use crate::error::Result;
use crate::id::DocumentName;
use crate::limits::{MAX_DEPTH, MAX_LEARNED_BYTES, MAX_LEARNED_NAMES};
use crate::path::Path;
use crate::value::Str;

/// Longer ones are written every time: learning them would push out many short ones.
const MAX_NAME_BYTES: usize = 256;

/// What can be given a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::protocol) enum Name {
    Id([u8; 16]),
    Document(DocumentName),
    Path(Path),
}

impl Name {
    fn len(&self) -> usize {
        match self {
            Name::Id(id) => id.len(),
            Name::Document(document) => document.tenant().len() + document.name().len(),
            Name::Path(path) => path.segments().iter().map(|segment| segment.len() + 1).sum(),
        }
    }
}

/// The numbers that a sender gave to names.
#[derive(Clone, Debug, Default)]
pub(in crate::protocol) struct Names {
    numbers: BTreeMap<Name, u64>,
}

impl Names {
    fn number(&mut self, name: Name) -> Option<u64> {
        if let Some(number) = self.numbers.get(&name) {
            return Some(*number);
        }
        if self.numbers.len() >= MAX_LEARNED_NAMES || name.len() > MAX_NAME_BYTES {
            return None;
        }
        let number = u64::try_from(self.numbers.len()).ok()?;
        self.numbers.insert(name, number);
        Some(number)
    }
}

/// What the two sides of one connection know of each other's numbers.
#[derive(Clone, Debug, Default)]
pub(in crate::protocol) struct Glossary {
    /// Numbers of ours that the peer reported.
    confirmed: BTreeSet<u64>,
    /// Names that the peer gave a number.
    learned: BTreeMap<u64, Name>,
    learned_bytes: usize,
    /// Numbers to report.
    report: BTreeSet<u64>,
}

impl Glossary {
    pub(in crate::protocol) fn has_confirmed(&self, number: u64) -> bool {
        self.confirmed.contains(&number)
    }

    pub(in crate::protocol) fn confirm(&mut self, numbers: impl IntoIterator<Item = u64>) {
        // A peer that reports what it was never told takes no more room than one that learned everything.
        let room = MAX_LEARNED_NAMES.saturating_sub(self.confirmed.len());
        self.confirmed.extend(numbers.into_iter().take(room));
    }

    /// Takes over what a frame defined; without room it is not reported, and so never referred to.
    pub(in crate::protocol) fn learn(&mut self, names: impl IntoIterator<Item = (u64, Name)>) {
        for (number, name) in names {
            let bytes = self.learned_bytes + name.len();
            let is_known = self.learned.contains_key(&number);
            if !is_known && (self.learned.len() >= MAX_LEARNED_NAMES || bytes > MAX_LEARNED_BYTES) {
                continue;
            }
            if !is_known {
                self.learned_bytes = bytes;
                self.learned.insert(number, name);
            }
            self.report.insert(number);
        }
    }

    /// What is to be told to the peer; told once, as the peer defines again what it has not heard of.
    pub(in crate::protocol) fn take_report(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.report)
    }
}

/// Writes names as numbers where the receiver knows them.
pub(super) struct NameWriter<'a> {
    session: Option<(&'a mut Names, &'a Glossary)>,
    local: BTreeMap<[u8; 16], u64>,
    last: Path,
    /// The numbers that the frame depends on, each with whether the receiver knew it.
    pub(super) used: Vec<(u64, bool)>,
}

/// How a name is written.
enum Form {
    Known(u64),
    Defined(u64),
    Plain,
}

impl<'a> NameWriter<'a> {
    pub(super) fn new(session: Option<(&'a mut Names, &'a Glossary)>) -> NameWriter<'a> {
        NameWriter { session, local: BTreeMap::new(), last: Path::root(), used: Vec::new() }
    }

    fn form(&mut self, name: impl FnOnce() -> Name) -> Form {
        let Some((names, glossary)) = &mut self.session else { return Form::Plain };
        let Some(number) = names.number(name()) else { return Form::Plain };
        let is_known = glossary.has_confirmed(number);
        self.used.push((number, is_known));
        if is_known { Form::Known(number) } else { Form::Defined(number) }
    }

    /// `0` and 16 bytes, `1` and 16 bytes and the number that they get, `2 + 2n` the local number n, `3 + 2n` the number n.
    pub(super) fn put_id(&mut self, out: &mut Vec<u8>, id: &[u8; 16]) {
        if let Some(local) = self.local.get(id) {
            return put_varint(out, 2 + 2 * local);
        }
        let form = self.form(|| Name::Id(*id));
        if let Form::Known(number) = form {
            return put_varint(out, 3 + 2 * number);
        }
        out.push(u8::from(matches!(form, Form::Defined(_))));
        out.extend_from_slice(id);
        if let Form::Defined(number) = form {
            put_varint(out, number);
        }
        let local = u64::try_from(self.local.len()).unwrap_or(u64::MAX);
        self.local.insert(*id, local);
    }

    /// `0` the default document, `1` tenant and name, `2` tenant and name and the number that they get, `3 + n` the number n.
    pub(super) fn put_document(&mut self, out: &mut Vec<u8>, document: &DocumentName) {
        if *document == DocumentName::default_name() {
            return out.push(0);
        }
        let form = self.form(|| Name::Document(document.clone()));
        if let Form::Known(number) = form {
            return put_varint(out, 3 + number);
        }
        out.push(if let Form::Defined(_) = form { 2 } else { 1 });
        put_text(out, document.tenant());
        put_text(out, document.name());
        if let Form::Defined(number) = form {
            put_varint(out, number);
        }
    }

    /// `0` and a number, or `1` and the number that it gets and then, as without it, `2 + 8n + s`: the first s segments of
    /// the path before (7: seven and as many more as follow) and n new ones, of which the first may begin as the one in its
    /// place does.
    pub(super) fn put_path(&mut self, out: &mut Vec<u8>, path: &Path, may_learn: bool) {
        let form = if may_learn && !path.is_root() { self.form(|| Name::Path(path.clone())) } else { Form::Plain };
        if let Form::Known(number) = form {
            out.push(0);
            put_varint(out, number);
            self.last = path.clone();
            return;
        }
        if let Form::Defined(number) = form {
            out.push(1);
            put_varint(out, number);
        }
        let last = self.last.segments();
        let shared = path.segments().iter().zip(last).take_while(|(a, b)| a == b).count();
        let new = path.segments().iter().skip(shared);
        put_count(out, 2 + 8 * new.len() + shared.min(7));
        if shared >= 7 {
            put_count(out, shared - 7);
        }
        let mut above = last.get(shared);
        for segment in new {
            let mut begins = 0;
            if let Some(above) = above.take() {
                begins = common_prefix(above, segment);
                put_count(out, begins);
            }
            put_text(out, segment.get(begins..).unwrap_or_default());
        }
        self.last = path.clone();
    }
}

/// How many bytes two texts begin with alike, in whole characters.
fn common_prefix(a: &str, b: &str) -> usize {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    b.floor_char_boundary(same)
}

/// Reads names.
pub(super) struct NameReader<'a> {
    glossary: &'a Glossary,
    local: Vec<[u8; 16]>,
    last: Path,
    /// What the frame defined.
    pub(super) defined: Vec<(u64, Name)>,
}

impl<'a> NameReader<'a> {
    pub(super) fn new(glossary: &'a Glossary) -> NameReader<'a> {
        NameReader { glossary, local: Vec::new(), last: Path::root(), defined: Vec::new() }
    }

    fn known(&self, number: u64) -> Result<&'a Name> {
        self.glossary.learned.get(&number).ok_or_else(|| malformed("it refers to a name that was never told"))
    }

    pub(super) fn id(&mut self, reader: &mut Reader<'_>) -> Result<[u8; 16]> {
        let form = reader.varint()?;
        if form < 2 {
            let id = reader.array()?;
            if form == 1 {
                self.defined.push((reader.varint()?, Name::Id(id)));
            }
            self.local.push(id);
            return Ok(id);
        }
        let number = (form - 2) / 2;
        if form % 2 == 0 {
            let id = usize::try_from(number).ok().and_then(|at| self.local.get(at));
            return id.copied().ok_or_else(|| malformed("it refers to an id that it does not hold"));
        }
        match self.known(number)? {
            Name::Id(id) => Ok(*id),
            _ => Err(malformed("a number names something else than an id")),
        }
    }

    pub(super) fn document(&mut self, reader: &mut Reader<'_>) -> Result<DocumentName> {
        match reader.varint()? {
            0 => Ok(DocumentName::default_name()),
            form @ (1 | 2) => {
                let (tenant, name) = (reader.text()?, reader.text()?);
                let document =
                    DocumentName::parse(&format!("{tenant}/{name}")).map_err(|_| malformed("it names no document"))?;
                if form == 2 {
                    self.defined.push((reader.varint()?, Name::Document(document.clone())));
                }
                Ok(document)
            }
            form => match self.known(form - 3)? {
                Name::Document(document) => Ok(document.clone()),
                _ => Err(malformed("a number names something else than a document")),
            },
        }
    }

    pub(super) fn path(&mut self, reader: &mut Reader<'_>) -> Result<Path> {
        let path = match reader.varint()? {
            0 => {
                let number = reader.varint()?;
                match self.known(number)? {
                    Name::Path(path) => path.clone(),
                    _ => return Err(malformed("a number names something else than a path")),
                }
            }
            1 => {
                let number = reader.varint()?;
                let form = reader.varint()?;
                let path = self.written_path(reader, form)?;
                self.defined.push((number, Name::Path(path.clone())));
                path
            }
            form => self.written_path(reader, form)?,
        };
        self.last = path.clone();
        Ok(path)
    }

    fn written_path(&self, reader: &mut Reader<'_>, form: u64) -> Result<Path> {
        let form = form.checked_sub(2).ok_or_else(|| malformed("a path has no such form"))?;
        let shared = match form % 8 {
            7 => reader.varint()?.saturating_add(7),
            shared => shared,
        };
        let shared = usize::try_from(shared).unwrap_or(usize::MAX);
        let new = usize::try_from(form / 8).unwrap_or(usize::MAX);
        if shared.saturating_add(new) > MAX_DEPTH {
            return Err(malformed("a path is too deep"));
        }
        let last = self.last.segments();
        let kept = last.get(..shared).ok_or_else(|| malformed("a path begins as none did"))?;
        reader.expand((shared + new) * size_of::<Str>())?;
        let mut segments = Vec::with_capacity(shared + new);
        segments.extend_from_slice(kept);
        let mut above = last.get(shared);
        for _ in 0..new {
            let mut begins = "";
            if let Some(above) = above.take() {
                let len = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
                begins = above.get(..len).ok_or_else(|| malformed("a path begins as none did"))?;
                reader.expand(len)?;
            }
            let ends = reader.text()?;
            segments.push(if begins.is_empty() { Str::from(ends) } else { Str::from(format!("{begins}{ends}")) });
        }
        Ok(segments.into_iter().collect())
    }
}
