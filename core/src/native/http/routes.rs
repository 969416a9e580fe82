//! The routes, made of the list of operations: what is not in the list has none.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::{Query, RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};

use super::caller::Caller;
use super::problem::{Problem, json};
use super::server::{Answered, Parameters, Server, events, only, patch, read, remove, replace, root, set_tag, upgrade};
use super::{exposition, health, webhook};
use crate::api::{self, Call, Field, OPERATIONS, Operation, Place, Type};
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::value::{Map, Str, Value};

/// Every route of every row.
pub(super) fn router() -> Router<Server> {
    let mut known = BTreeSet::new();
    let routes = OPERATIONS.iter().flat_map(|row| row.routes().map(move |route| (route, *row)));
    // Rows that share a route are told apart by what is sent.
    let routes = routes.filter(|(route, _)| known.insert(*route));
    let handled = routes.filter_map(|((method, route), row)| Some((route, handler(method, row)?)));
    handled.fold(Router::new(), |router, (route, handler)| router.route(route, handler))
}

/// What answers a row: its own handler where it has to do with headers, streams or sockets, else a call by name.
fn handler(method: &str, row: &'static Operation) -> Option<MethodRouter<Server>> {
    let filter = MethodFilter::try_from(Method::from_bytes(method.as_bytes()).ok()?).ok()?;
    let handler = match row.name {
        "get" => on(filter, read),
        "set" => on(filter, replace),
        "unset" => on(filter, remove),
        "patch_document" => on(filter, patch),
        "subscribe" => on(filter, events),
        "page" => on(filter, root),
        "connect" => on(filter, upgrade),
        "health" => on(filter, health::health),
        "live" => on(filter, health::live),
        "ready" => on(filter, health::ready),
        "describe" => on(filter, describe),
        "webhook" => on(filter, webhook::webhook),
        "metrics" => on(filter, move |server, caller, headers| metrics(row, server, caller, headers)),
        _ if row.begin.is_some() => {
            on(filter, move |server, caller, url, query, body| called(row, server, caller, url, query, body))
        }
        _ => return None,
    };
    Some(handler.route_layer(from_fn(move |request, next| allow(row, request, next))))
}

/// The one check of every route: whether who asks may ask for what the row says.
async fn allow(row: &'static Operation, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    match caller.check(row) {
        Ok(()) => next.run(request).await,
        Err(error) => Problem::from(error).into_response(),
    }
}

async fn metrics(
    row: &'static Operation,
    State(server): State<Server>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Answered {
    let call = Call::of(row, Map::default())?;
    let text = server.host.call(None, call, caller.who()).await?;
    let text = text.as_str().unwrap_or_default();
    let (kind, text) = match exposition::takes_open_metrics(&headers) {
        true => (exposition::OPEN_METRICS, text.to_owned()),
        false => (exposition::PLAIN, exposition::plain(text)),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache"), (header::VARY, "accept")];
    Ok((headers, text).into_response())
}

async fn describe() -> Response {
    json(StatusCode::OK, &api::openapi())
}

/// An operation that is asked for by its route: its fields are in the URL, the query and the body, as its row says.
async fn called(
    row: &'static Operation,
    State(server): State<Server>,
    Extension(caller): Extension<Caller>,
    url: RawPathParams,
    Query(parameters): Parameters,
    body: Body,
) -> Answered {
    let in_url = |name: &str| url.iter().find(|(key, _)| *key == name).map(|(_, text)| text);
    let mut arguments: Vec<(Str, Value)> = Vec::new();
    for field in row.request {
        let text = match field.place {
            Place::Url => in_url(field.name),
            Place::Query => only(&parameters, field.name).next(),
            Place::Header | Place::Body | Place::WholeBody(_) | Place::Elsewhere => None,
        };
        if let Some(text) = text {
            arguments.push((field.name.into(), said(field, text)?));
        }
    }
    let document = in_url("name").map(DocumentName::parse).transpose()?;
    if row.request.iter().any(|field| field.place == Place::Body) {
        let Value::Map(given) = server.budget.json(body).await? else {
            return Err(Error::new(Code::Usage, "the body is no map")
                .with_hint(format!("`{}` takes {}", row.name, fields_of(row)))
                .into());
        };
        arguments.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    let reply = server.host.call(document, Call::of(row, arguments.into_iter().collect())?, caller.who()).await?;
    let mut response = json(StatusCode::OK, &reply);
    if let Some(digest) = reply.child("digest").and_then(Value::as_str) {
        set_tag(&mut response, &format!("\"{digest}\""));
    }
    Ok(response)
}

fn fields_of(row: &Operation) -> String {
    let named = row.request.iter().filter(|field| field.place == Place::Body);
    named.map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ")
}

/// A field of the URL or the query, which are texts.
fn said(field: &Field, text: &str) -> Result<Value> {
    let name = field.name;
    match field.kind {
        Type::Flag => text
            .parse::<bool>()
            .map(Value::from)
            .map_err(|_| Error::new(Code::Usage, format!("`{name}` is `true` or `false`, not `{text}`"))),
        Type::Count => text.parse::<u64>().map(Value::from).map_err(|_| {
            Error::new(Code::Usage, format!("`{name}` is a whole number, not `{text}`"))
                .with_hint(format!("`{name}`: {}", field.about))
        }),
        _ => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_list_is_answered() {
        for row in OPERATIONS {
            for (method, route) in row.routes() {
                let first = OPERATIONS.iter().find(|row| row.routes().any(|other| other == (method, route))).unwrap();
                assert!(handler(method, first).is_some(), "{method} {route} of `{}`", row.name);
            }
        }
    }
}
