//! What an instance held before another document took its place: kept until somebody says that it is not needed.

use super::Engine;
use super::document::Document;
use super::records::{aside_record, aside_removal};
use super::shared::Step;
use super::types::StoreWrite;
use crate::clock::{Now, rfc3339};
use crate::error::{Code, Error, Result};
use crate::format::Format;
use crate::id::{DocumentName, Genesis};
use crate::path::Path;
use crate::value::{Str, Value};

/// The file said something else than the document that this instance joined.
pub(super) const WHY_JOINED: &str = "joined";
/// The document gave way to a greater one.
pub(super) const WHY_MOVED: &str = "moved";
/// An operator gave the document up for another one.
pub(super) const WHY_FORCED: &str = "given-up";

/// How many are kept; beyond, the oldest goes.
const MOST: usize = 32;

/// What this instance held before another document took its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its number, by which it is confirmed.
    pub id: u64,
    /// When it was put aside, in milliseconds since 1970.
    pub at_ms: u64,
    /// Why: `joined`, `moved` or `given-up`.
    pub why: Str,
    /// The document that it was, where there was one.
    pub genesis: Option<Genesis>,
    /// How many writes in it nobody makes again: their authors are not here.
    pub left: usize,
    /// The format of the text.
    pub format: Format,
    /// The text of the bound file, or the document as JSON.
    pub text: String,
    /// The file beside the bound one that holds it as well.
    pub copy: Option<Str>,
}

impl Aside {
    pub(super) fn new(at_ms: u64, why: &str, genesis: Option<Genesis>, format: Format, text: String) -> Aside {
        Aside { id: 0, at_ms, why: why.into(), genesis, left: 0, format, text, copy: None }
    }

    /// `{"id", "at", "why", "genesis"?, "left"?, "file"?}`: not the text, which may hold secrets.
    pub fn to_value(&self) -> Value {
        let mut fields: Vec<(&str, Value)> =
            vec![("id", self.id.into()), ("at", rfc3339(self.at_ms).into()), ("why", self.why.clone().into())];
        fields.extend(self.genesis.map(|genesis| ("genesis", genesis.to_string().into())));
        fields.extend((self.left > 0).then(|| ("left", u64::try_from(self.left).unwrap_or(u64::MAX).into())));
        fields.extend(self.copy.clone().map(|copy| ("file", copy.into())));
        fields.into_iter().collect()
    }

    /// The same with `"format"` and `"text"`, for whoever asks for it.
    pub fn to_full_value(&self) -> Value {
        let fields = self.to_value();
        let fields = fields.as_map().into_iter().flat_map(|map| map.iter());
        let fields = fields.map(|(name, value)| (name.clone(), value.clone()));
        fields
            .chain([("format".into(), self.format.name().into()), ("text".into(), self.text.as_str().into())])
            .collect()
    }
}

impl Document {
    /// Keeps something; the records that say so.
    pub(super) fn keep(&mut self, kept: Aside) -> Vec<StoreWrite> {
        let id = self.aside.last().map_or(1, |last| last.id.saturating_add(1));
        // A batch that failed is made again.
        if self.aside.iter().any(|known| (known.genesis, &known.text) == (kept.genesis, &kept.text)) {
            return Vec::new();
        }
        let kept = Aside { id, ..kept };
        let mut records = vec![aside_record(&self.name, &kept)];
        self.aside.push(kept);
        if self.aside.len() > MOST {
            let oldest = self.aside.remove(0);
            records.push(aside_removal(&self.name, oldest.id));
        }
        records
    }
}

impl Engine {
    /// What this instance held before other documents took its place, the oldest first.
    pub fn kept(&self, document: &DocumentName) -> &[Aside] {
        self.documents.get(document).map(|document| document.aside.as_slice()).unwrap_or_default()
    }

    /// What was kept is not needed any more. A copy beside the bound file stays where it is.
    ///
    /// # Errors
    /// [`Code::NotFound`] where nothing of this number is kept.
    pub fn confirm_kept(&mut self, document: &DocumentName, id: u64) -> Result<()> {
        let found = self.documents.get_mut(document).and_then(|document| {
            let at = document.aside.iter().position(|kept| kept.id == id)?;
            Some(document.aside.remove(at))
        });
        if found.is_none() {
            let error = Error::new(Code::NotFound, format!("nothing is kept under the number {id}"));
            return Err(error.with_hint("`confmesh status` names what is kept"));
        }
        self.stage_step(document, vec![aside_removal(document, id)], Step::Records, "kept", None, None);
        Ok(())
    }

    /// The driver copied the bound file beside it before another document was written there.
    pub fn handle_copied(&mut self, document: &DocumentName, copy: &str, _now: Now) {
        let name = document.clone();
        let Some(document) = self.documents.get_mut(document) else { return };
        let Some(kept) = document.aside.iter_mut().rev().find(|kept| kept.copy.is_none()) else { return };
        kept.copy = Some(copy.into());
        let record = aside_record(&name, kept);
        self.stage_step(&name, vec![record], Step::Records, "kept", None, None);
    }
}

/// Whether a document shows everything that another one did.
pub(super) fn is_shown(before: &Value, now: &Value) -> bool {
    let mut is_shown = true;
    before.for_each_leaf(&mut |path: &Path, leaf| {
        let shown = now.at(path);
        let is_empty_map = leaf.as_map().is_some() && shown.is_some_and(|value| value.as_map().is_some());
        is_shown &= shown == Some(leaf) || is_empty_map || path.is_root();
    });
    is_shown
}
