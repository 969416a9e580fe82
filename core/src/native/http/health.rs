//! Health: one list of checks, and the three ways in which probes and people look at it.
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tokio::time::timeout;

use super::caller::Caller;
use super::problem::{Problem, json};
use super::server::{Answered, Parameters, Server, only};
use crate::error::{Code, Error};
use crate::value::Value;

/// After how long an instance that does not answer itself is no longer alive.
const ALIVE_WITHIN: Duration = Duration::from_secs(5);

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All is well.
    Passed,
    /// Someone should look; what the instance answers can be relied on.
    Degraded,
    /// Nobody should be sent to this instance.
    Failed,
}

/// One thing that is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Its name, which `exclude` takes.
    pub name: &'static str,
    /// What it found.
    pub verdict: Verdict,
    /// Why it did not pass.
    pub reasons: Vec<Error>,
}

/// All checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// In a fixed order.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// `ok`, `degraded` or `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Passed => "ok",
            Verdict::Degraded => "degraded",
            Verdict::Failed => "failed",
        }
    }
}

impl Check {
    /// A check that passes without reasons, and finds the worst of them otherwise.
    pub(crate) fn of(name: &'static str, found: impl IntoIterator<Item = (Verdict, Error)>) -> Check {
        let (verdicts, reasons): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        Check { name, verdict: verdicts.into_iter().max().unwrap_or(Verdict::Passed), reasons }
    }

    /// `{"name", "status", "reasons"?}`.
    pub fn to_value(&self) -> Value {
        let mut fields: Vec<(&str, Value)> = vec![("name", self.name.into()), ("status", self.verdict.as_str().into())];
        if !self.reasons.is_empty() {
            fields.push(("reasons", self.reasons.iter().map(Error::to_value).collect::<Vec<Value>>().into()));
        }
        fields.into_iter().collect()
    }

    /// The check as one line.
    fn line(&self) -> String {
        let sign = match self.verdict {
            Verdict::Passed => '+',
            Verdict::Degraded => '!',
            Verdict::Failed => '-',
        };
        let reasons: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        let colon = if reasons.is_empty() { "" } else { ": " };
        let line = format!("[{sign}]{} {}{colon}{}", self.name, self.verdict.as_str(), reasons.join("; "));
        // A line is one line, whatever a peer made us say.
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>() + "\n"
    }
}

impl Health {
    /// The worst verdict.
    pub fn verdict(&self) -> Verdict {
        self.checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Passed)
    }

    /// `healthy`, `degraded` or `not_ready`.
    pub fn word(&self) -> &'static str {
        match self.verdict() {
            Verdict::Passed => "healthy",
            Verdict::Degraded => "degraded",
            Verdict::Failed => "not_ready",
        }
    }

    /// Whether requests may be sent to the instance.
    pub fn is_ready(&self) -> bool {
        self.verdict() < Verdict::Failed
    }

    /// `{"status", "checks"}`.
    pub fn to_value(&self) -> Value {
        let checks: Vec<Value> = self.checks.iter().map(Check::to_value).collect();
        [("status", Value::from(self.word())), ("checks", checks.into())].into_iter().collect()
    }
}

/// `GET /livez`: whether the instance still does anything. One that is stopping does.
pub(super) async fn live(State(server): State<Server>, Query(parameters): Parameters) -> Response {
    let is_alive = timeout(ALIVE_WITHIN, server.host.health()).await.is_ok();
    let verdict = if is_alive { Verdict::Passed } else { Verdict::Failed };
    let silent = || Error::new(Code::NotReady, format!("no answer within {} s", ALIVE_WITHIN.as_secs()));
    let found = (!is_alive).then(|| (verdict, silent()));
    probe("livez", Health { checks: vec![Check::of("loop", found)] }, &parameters)
}

/// `GET /readyz`: whether requests may be sent to the instance; `verbose` tells each check, `exclude=NAME` leaves one out.
pub(super) async fn ready(
    State(server): State<Server>,
    Extension(caller): Extension<Caller>,
    Query(parameters): Parameters,
) -> Response {
    probe("readyz", readiness(&server, &parameters, &caller).await, &parameters)
}

/// `GET /health`: the whole list, always with status 200; `ready` asks as `/readyz` does.
pub(super) async fn health(
    State(server): State<Server>,
    Extension(caller): Extension<Caller>,
    Query(parameters): Parameters,
) -> Answered {
    if parameters.iter().any(|(name, _)| name == "ready") {
        return Ok(probe("readyz", readiness(&server, &parameters, &caller).await, &parameters));
    }
    let (health, about) = server.host.health().await?;
    // To a stranger it does not say who it is either.
    let about = if caller.is_stranger() { Value::empty_map() } else { about };
    let fields = about.as_map().into_iter().flat_map(|about| about.iter());
    let fields = fields.map(|(name, value)| (name.clone(), value.clone()));
    let checks = caller.healthy_view(health).to_value();
    let checks =
        checks.as_map().into_iter().flat_map(|map| map.iter()).map(|(name, value)| (name.clone(), value.clone()));
    Ok(json(StatusCode::OK, &Value::Map(fields.chain(checks).collect())))
}

/// Whether a path asks for no more than how the instance is doing.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/health")
}

/// What everybody else is told meanwhile.
pub(super) fn starting() -> Problem {
    let error = Error::new(Code::NotReady, "the instance is starting")
        .with_hint("`/readyz?verbose` says what it waits for; try again in a moment");
    Problem { retry_after: Some(1), ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, error) }
}

/// What makes it ready or not, as far as whoever asks may know it. What is left out is left out before.
async fn readiness(server: &Server, parameters: &[(String, String)], caller: &Caller) -> Health {
    let mut health = whole_readiness(server).await;
    if caller.is_stranger() {
        health.checks.retain(|check| only(parameters, "exclude").all(|excluded| excluded != check.name));
    }
    caller.healthy_view(health)
}

async fn whole_readiness(server: &Server) -> Health {
    let answered = timeout(ALIVE_WITHIN, server.host.health()).await;
    let silent = || Error::new(Code::NotReady, format!("no answer within {} s", ALIVE_WITHIN.as_secs()));
    match answered.unwrap_or_else(|_| Err(silent())) {
        Ok((health, _)) => health,
        // It is stopping, or hangs.
        Err(error) => Health { checks: vec![Check::of("running", [(Verdict::Failed, error)])] },
    }
}

/// What a probe gets: a status, and a line a check where it asks for them or something failed.
fn probe(name: &str, mut health: Health, parameters: &[(String, String)]) -> Response {
    let mut text = String::new();
    for excluded in only(parameters, "exclude") {
        let before = health.checks.len();
        health.checks.retain(|check| check.name != excluded);
        if health.checks.len() == before {
            text.push_str(&format!("warn: there is no check `{}`\n", excluded.escape_default()));
        }
    }
    let (status, word) = match health.is_ready() {
        true => (StatusCode::OK, "passed"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "failed"),
    };
    if status == StatusCode::OK && !parameters.iter().any(|(name, _)| name == "verbose") {
        text.push_str("ok\n");
    } else {
        health.checks.iter().for_each(|check| text.push_str(&check.line()));
        text.push_str(&format!("{name} check {word}\n"));
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_decides_and_a_line_stays_one_line() {
        let degraded = Check::of("peers", [(Verdict::Degraded, Error::new(Code::Unreachable, "cut\noff"))]);
        let mut health = Health { checks: vec![Check::of("store", []), degraded] };
        assert_eq!((health.word(), health.is_ready()), ("degraded", true));
        assert_eq!(health.checks[1].line(), "[!]peers degraded: cut off\n");
        let found =
            [(Verdict::Failed, Error::new(Code::Store, "a")), (Verdict::Degraded, Error::new(Code::Store, "b"))];
        health.checks.push(Check::of("document", found));
        assert_eq!((health.word(), health.is_ready()), ("not_ready", false));
        assert_eq!(health.checks[2].line(), "[-]document failed: a; b\n");
    }
}
