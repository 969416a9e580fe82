//! `POST /webhook/config`: a signed request that writes.
use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::problem::{Problem, json};
use super::server::{Answered, Server};
use crate::error::{Code, Error};

/// How large a body may be: it is read before anybody knows who sends it.
const MAX_BODY_BYTES: usize = 1 << 20;
/// After how many seconds one that came too fast may be sent again.
const RETRY_AFTER_S: u32 = 60;

pub(super) async fn webhook(State(server): State<Server>, headers: HeaderMap, body: Body) -> Answered {
    if !server.host.takes_webhooks() {
        let error = Error::new(Code::NotFound, "this instance takes no webhooks");
        let hint = "start it with `--webhook-secret-file FILE`, or with `CONFMESH_WEBHOOK_SECRET`";
        return Err(error.with_hint(hint).into());
    }
    let body = server.budget.bytes(body, MAX_BODY_BYTES).await?;
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &headers {
        if let Ok(value) = value.to_str() {
            given.entry(name.as_str().to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    let delivered = server.host.deliver(given, body).await;
    let status = StatusCode::from_u16(delivered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match delivered.outcome {
        Ok(reply) => Ok(json(status, &reply)),
        Err(error) => {
            let is_later = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            Err(Problem { retry_after: is_later.then_some(RETRY_AFTER_S), ..Problem::new(status, error) })
        }
    }
}
