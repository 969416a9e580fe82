//! What conflicts cost that a later write closed.

use super::conflicts::{Conflict, Here};
use super::document::Document;
use crate::canonical::content_hash;
use crate::path::Path;
use crate::replica::{Disagreement, Lost, Side, Standings};

/// What was lost in conflicts that nobody here saw while they were open: the writes that closed them tell.
pub(super) fn listed(document: &Document, here: &Here<'_>) -> Vec<Conflict> {
    let losses = here.replica.closed_losses();
    losses.filter_map(|(path, found)| untold(document, here, path, found)).collect()
}

fn untold(document: &Document, here: &Here<'_>, path: Path, found: Standings) -> Option<Conflict> {
    let lost = found.closed.count();
    if lost == Lost::default() {
        return None;
    }
    let winner = here.replica.assertion(found.in_force?, &path)?;
    let side = Side {
        dot: winner.dot,
        stamp: winner.stamp,
        value: here.value.at(&path).cloned(),
        in_force: true,
        user: winner.user.clone(),
        lost: Lost::default(),
    };
    let disagreement = Disagreement { path, tag: winner.tag, sides: vec![side] };
    let found = Conflict::of(&disagreement, &document.name, here);
    let id = content_hash(&vec![found.id.to_string().into(), "closed".into()].into());
    Some(Conflict { id, is_open: false, is_closed: true, lost, ..found })
}
