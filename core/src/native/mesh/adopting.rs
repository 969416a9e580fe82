//! A document that is given up for the one of another instance: what that loses is shown first.
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Shared;
use crate::diff::{Change, diff};
use crate::error::{Code, Error, Result};
use crate::id::Genesis;
use crate::native::http::Elsewhere;
use crate::path::Path;
use crate::secret::masked_below;
use crate::value::Value;

/// What becomes of a document where it is given up for another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Adoption {
    /// The birth of the document that stays.
    pub genesis: Genesis,
    /// What is here and not there, or has another value there, path by path; secrets are masked.
    pub lost: Vec<Change>,
    /// Whether it is done; without, nothing is.
    pub done: bool,
}

impl Adoption {
    /// `{"genesis", "lost": [change…], "done"}`.
    pub fn to_value(&self) -> Value {
        let lost: Vec<Value> = self.lost.iter().map(Change::to_value).collect();
        [("genesis", Value::from(self.genesis.to_string())), ("lost", lost.into()), ("done", self.done.into())]
            .into_iter()
            .collect()
    }
}

/// A document, and as people may see it.
pub(crate) struct Sight {
    pub(crate) value: Value,
    pub(crate) shown: Value,
}

/// What a document loses that another one takes the place of. Secrets are compared as they are, and shown masked: one that
/// differs is lost as well.
pub(crate) fn lost(before: &Sight, after: &Sight) -> Vec<Change> {
    let changes = diff(&before.value, &after.value).into_iter().filter(|change| change.old.is_some());
    let side = |sight: &Sight, path: &Path, value: Option<Value>| {
        // Below a masked map there is nothing to be seen.
        value.map(|_| sight.shown.at(path).cloned().unwrap_or_else(|| "***".into()))
    };
    let masked = |change: Change| Change {
        old: side(before, &change.path, change.old),
        new: side(after, &change.path, change.new),
        path: change.path,
    };
    changes.map(masked).collect()
}

/// What is refused where the two have one document.
pub(crate) fn nothing_to_join() -> Error {
    Error::new(Code::Usage, "both instances share one document: there is nothing to join")
}

/// Asks the other instance, and gives the document up where that is wanted. It holds no handle to the mesh.
pub(super) fn begin(shared: Arc<Shared>, other: Elsewhere, yes: bool, reply: oneshot::Sender<Result<Adoption>>) {
    tokio::spawn(async move {
        // Whoever asked may have gone.
        let _ = reply.send(adopt(&shared, &other, yes).await);
    });
}

async fn adopt(shared: &Shared, other: &Elsewhere, yes: bool) -> Result<Adoption> {
    let name = shared.document.to_string();
    let status = other.get("/status", &shared.shown).await?;
    let documents = status.child("documents").and_then(Value::as_list);
    let documents = documents.into_iter().flat_map(|list| list.iter());
    let theirs = documents.into_iter().find(|document| document.child("name").and_then(Value::as_str) == Some(&*name));
    let genesis =
        theirs.and_then(|document| Genesis::parse(document.child("genesis")?.as_str()?)).ok_or_else(|| {
            Error::new(Code::UnknownDocument, format!("that instance holds no document `{name}`"))
                .with_hint("name an instance that holds the document which stays")
        })?;
    let mine = shared.status().await?;
    let is_mine = |of: &super::DocumentState| of.status.genesis.as_deref() == Some(&*genesis.to_string());
    if mine.documents.iter().any(|document| document.status.document == shared.document && is_mine(document)) {
        return Err(nothing_to_join());
    }
    let target = format!("/config/{}", name.replace('/', "%2F"));
    let after = Sight {
        value: other.get(&target, &shared.shown).await?,
        shown: other.get(&format!("{target}?mask=true"), &shared.shown).await?,
    };
    let here = shared.snapshot.load_full();
    let before = Sight { value: here.value.clone(), shown: masked_below(here.policy(), &Path::root(), &here.value) };
    let lost = lost(&before, &after);
    if yes {
        shared.adopt(&genesis.to_string()).await?;
    }
    Ok(Adoption { genesis, lost, done: yes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, parse};

    #[test]
    fn a_secret_that_differs_is_lost_and_not_shown() {
        let sight = |value: &str, shown: &str| Sight {
            value: parse(value, Format::Json).unwrap(),
            shown: parse(shown, Format::Json).unwrap(),
        };
        let before = sight(r#"{"token":"a","same":1,"map":{"x":1}}"#, r#"{"token":"***","same":1,"map":"***"}"#);
        let after = sight(r#"{"token":"b","same":1,"more":2}"#, r#"{"token":"***","same":1,"more":2}"#);
        let lost: Vec<Value> = lost(&before, &after).iter().map(Change::to_value).collect();
        let expected =
            r#"[{"path":"map","op":"removed","old":"***"},{"path":"token","op":"changed","old":"***","new":"***"}]"#;
        assert_eq!(Value::from(lost), parse(expected, Format::Json).unwrap());
    }
}
