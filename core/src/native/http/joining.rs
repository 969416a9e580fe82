//! Other documents of the same name, and what was held before one took the place of another.
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::problem::{Problem, json};
use super::server::Server;
use crate::engine::Aside;
use crate::error::{Code, Error};
use crate::format::{Format, parse};
use crate::value::Value;

/// `POST /join` with `{"adopt": GENESIS}`: gives the document up for the other one, named by the beginning of its birth or of
/// the id of a connected instance that holds it; answers `{"genesis"}` when that is on the disk.
pub(super) async fn adopt(State(server): State<Server>, body: Bytes) -> Result<Response, Problem> {
    let text = String::from_utf8_lossy(&body);
    let asked = parse(&text, Format::Json)?;
    let other = asked.child("adopt").and_then(Value::as_str).ok_or_else(|| {
        Error::new(Code::Usage, "nothing says which document is taken over")
            .with_hint("give `{\"adopt\": GENESIS}`; `/status` names the other document")
    })?;
    let genesis = server.host.adopt(other).await?.to_string();
    Ok(json(StatusCode::OK, &[("genesis", Value::from(genesis))].into_iter().collect()))
}

/// `GET /repair`: what would be removed, as [`Repair::to_value`](crate::engine::Repair::to_value) has it. Changes nothing.
pub(super) async fn repair_plan(State(server): State<Server>) -> Result<Response, Problem> {
    Ok(json(StatusCode::OK, &server.host.repair_plan().await?.to_value()))
}

/// `POST /repair`: removes it; answers `{"genesis", "authors_removed", "members_removed"}` when that is on the disk.
pub(super) async fn repair(State(server): State<Server>) -> Result<Response, Problem> {
    let plan = server.host.repair_plan().await?;
    let genesis = server.host.repair().await?.to_string();
    let count = |count: usize| Value::from(u64::try_from(count).unwrap_or(u64::MAX));
    let fields = [
        ("genesis", Value::from(genesis)),
        ("authors_removed", count(plan.idle)),
        ("members_removed", count(plan.members.len())),
    ];
    Ok(json(StatusCode::OK, &fields.into_iter().collect()))
}

/// `GET /kept`: `{"kept": [{"id", "at", "why", "genesis"?, "left"?, "file"?, "format", "text"}…]}`.
pub(super) async fn kept(State(server): State<Server>) -> Result<Response, Problem> {
    let kept = server.host.kept().await?;
    let kept: Vec<Value> = kept.iter().map(Aside::to_full_value).collect();
    Ok(json(StatusCode::OK, &[("kept", Value::from(kept))].into_iter().collect()))
}

/// `POST /kept/{id}/confirm`: what is kept is not needed any more; answers `{"confirmed": ID}`.
pub(super) async fn confirm(State(server): State<Server>, UrlPath(id): UrlPath<u64>) -> Result<Response, Problem> {
    server.host.confirm_kept(id).await?;
    Ok(json(StatusCode::OK, &[("confirmed", Value::from(id))].into_iter().collect()))
}
