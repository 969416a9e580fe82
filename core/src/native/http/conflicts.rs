//! Conflicts: listed, and settled; and the trail of how they ended.
use axum::body::Body;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::problem::{Problem, json};
use super::server::{Server, only, receipt};
use super::terms::flags;
use crate::canonical::ContentHash;
use crate::engine::{Audit, Choice, Conflict};
use crate::error::{Code, Error, Result};
use crate::value::Value;

type Parameters = Query<Vec<(String, String)>>;

/// `GET /conflicts`: `{"conflicts": [conflict…]}`, with `all=true` also those that a rule decided.
pub(super) async fn list(State(server): State<Server>, Query(parameters): Parameters) -> Result<Response, Problem> {
    let all = match only(&parameters, "all").next() {
        None => false,
        Some(text) => {
            text.parse().map_err(|_| Error::new(Code::Usage, format!("`all` is `true` or `false`, not `{text}`")))?
        }
    };
    let conflicts: Vec<Value> = server.host.conflicts(all).await?.iter().map(Conflict::to_value).collect();
    Ok(json(StatusCode::OK, &[("conflicts", Value::from(conflicts))].into_iter().collect()))
}

/// `GET /audit`: `{"entries": [entry…]}`, oldest first.
pub(super) async fn audit(State(server): State<Server>) -> Result<Response, Problem> {
    let entries: Vec<Value> = server.host.audit().await?.iter().map(Audit::to_value).collect();
    Ok(json(StatusCode::OK, &[("entries", Value::from(entries))].into_iter().collect()))
}

/// `POST /conflicts/{id}/assign`: `{"user": "ann"}`, or `{"user": null}` to leave it to anybody.
pub(super) async fn assign(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    body: Body,
) -> Result<Response, Problem> {
    let id = conflict_id(&id)?;
    let user = match server.budget.json(body).await?.child("user") {
        Some(Value::String(user)) => Some(user.clone()),
        Some(Value::Null) => None,
        _ => {
            let error = Error::new(Code::Usage, "the body says who is to decide");
            return Err(error.with_hint("send `{\"user\": \"ann\"}`, or `{\"user\": null}`").into());
        }
    };
    Ok(receipt(&server.host.assign(id, user).await?, false))
}

/// `POST /conflicts/{id}/resolve`: the body holds one of `{"take": N}`, `{"value": …}`, `{"keep": true}` and
/// `{"remove": true}`.
pub(super) async fn resolve(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    Query(parameters): Parameters,
    body: Body,
) -> Result<Response, Problem> {
    let id: ContentHash = id.parse().map_err(|_| {
        Error::new(Code::NotFound, format!("`{id}` names no conflict")).with_hint("see `GET /conflicts`")
    })?;
    let choice = Choice::from_value(&server.budget.json(body).await?)?;
    Ok(receipt(&server.host.resolve(id, choice, flags(&parameters)?).await?, false))
}

fn conflict_id(text: &str) -> Result<ContentHash> {
    let unknown =
        |_| Error::new(Code::NotFound, format!("`{text}` names no conflict")).with_hint("see `GET /conflicts`");
    text.parse().map_err(unknown)
}
