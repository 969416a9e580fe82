//! What a request says about how it is to be written: `If-Match`, `If-None-Match`, and parameters.
use axum::http::{HeaderMap, header};

use super::server::{only, tags};
use crate::engine::{PathVersion, WriteTerms};
use crate::error::{Code, Error, Result};
use crate::path::Path;

/// The terms of a write: `force=true`, `fence=NUMBER`, `user=NAME` and `message=WHY` of the query; and of the headers `If-Match` with the
/// digest or the hash of the document or the version of the path, `If-Match: *` to write only where something is, or `If-None-Match: *`
/// to write only where nothing is.
///
/// `current` are the tags in force: where several are named, the first that holds is taken.
pub(super) fn terms(
    headers: &HeaderMap,
    parameters: &[(String, String)],
    path: Option<&Path>,
    current: &[String],
) -> Result<WriteTerms> {
    let mut terms = flags(parameters)?;
    let wanted: Vec<&str> = tags(headers, header::IF_MATCH).collect();
    if path.is_some() && tags(headers, header::IF_NONE_MATCH).any(|tag| tag == "*") {
        terms.if_version = Some(PathVersion::none());
    } else if wanted.contains(&"*") {
        // The document itself is always there.
        terms.if_version = path.map(|_| PathVersion::any());
    } else if !wanted.is_empty() {
        // Weak tags name what is as good as the same, and no version to write on.
        let wanted: Vec<&str> = wanted.iter().map(|tag| tag.trim_matches('"')).collect();
        let tag = match wanted.as_slice() {
            [only] => *only,
            many => many.iter().copied().find(|tag| current.iter().any(|now| now == tag)).unwrap_or_default(),
        };
        // The version of a path never has the form of one.
        if let Ok(hash) = tag.parse() {
            terms.if_hash = Some(hash);
        } else if path.is_some()
            && let Ok(version) = PathVersion::parse(tag)
        {
            terms.if_version = Some(version);
        } else {
            let current = current.last().map(String::as_str).unwrap_or_default();
            return Err(Error::new(Code::Stale, format!("the version is {current}, not {}", wanted.join(", ")))
                .with_hint("read it again, apply the change to what it is now, and send it with the new ETag"));
        }
    }
    Ok(terms)
}

/// The terms that parameters alone make.
pub(super) fn flags(parameters: &[(String, String)]) -> Result<WriteTerms> {
    let mut terms = WriteTerms::default();
    if let Some(force) = only(parameters, "force").next() {
        terms.force = force
            .parse()
            .map_err(|_| Error::new(Code::Usage, format!("`force` is `true` or `false`, not `{force}`")))?;
    }
    if let Some(fence) = only(parameters, "fence").next() {
        terms.fence = fence.parse().map_err(|_| {
            Error::new(Code::Usage, format!("`fence` is the token of a lock, a whole number, not `{fence}`"))
        })?;
    }
    terms.user = only(parameters, "user").next().map(Into::into);
    terms.message = only(parameters, "message").next().map(Into::into);
    Ok(terms)
}
