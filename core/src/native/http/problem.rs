//! Errors as HTTP answers.
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::canonical::canonical;
use crate::error::{Code, Error, Kind};
use crate::value::Value;

/// An error on its way to a client, as problem details (RFC 9457) with the error itself in `error`.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) error: Error,
    /// After how many seconds it is worth to try again.
    pub(super) retry_after: Option<u32>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: Error) -> Problem {
        Problem { status, error, retry_after: None }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let status = match (error.code(), error.kind()) {
            (Code::NotFound | Code::UnknownDocument, _) => StatusCode::NOT_FOUND,
            (Code::TooLarge, _) => StatusCode::PAYLOAD_TOO_LARGE,
            (Code::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
            (Code::Forbidden, _) => StatusCode::FORBIDDEN,
            // Only `If-Match` asks for a hash.
            (Code::Stale, _) => StatusCode::PRECONDITION_FAILED,
            (Code::Closed | Code::Busy, _) => StatusCode::SERVICE_UNAVAILABLE,
            (_, Kind::Input | Kind::Usage) => StatusCode::BAD_REQUEST,
            (_, Kind::Conflict) => StatusCode::CONFLICT,
            (_, Kind::Io | Kind::Peer | Kind::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem::new(status, error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let fields = [
            ("type", format!("urn:confmesh:error:{}", self.error.code().as_str()).into()),
            ("title", self.status.canonical_reason().unwrap_or("error").into()),
            ("status", u64::from(self.status.as_u16()).into()),
            ("detail", self.error.to_string().into()),
            ("error", self.error.to_value()),
        ];
        let mut response = json(self.status, &fields.into_iter().collect());
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"confmesh\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// An answer that nobody may keep: the next one may differ.
pub(super) fn json(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (status, headers, canonical(body)).into_response()
}
