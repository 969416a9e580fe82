//! The server's half of the upgrade from HTTP: which requests become WebSockets, and the answer to them.
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use hyper::{Method, StatusCode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::error::{Code, Error};

/// How to answer a request that cannot become a WebSocket.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// 400, 405 or 426.
    pub status: StatusCode,
    /// Headers that go with the status.
    pub headers: HeaderMap,
    /// What is wrong, for the body.
    pub error: Error,
}

/// Whether the request asks for a WebSocket, and so not for the page at the same path.
pub fn is_upgrade(headers: &HeaderMap) -> bool {
    names(headers, &CONNECTION, "upgrade") && names(headers, &UPGRADE, "websocket")
}

/// The headers of the answer `101 Switching Protocols`; [`accept_upgrade`](super::accept_upgrade) does the rest.
///
/// # Errors
/// A [`Refusal`] with status 426 where the request asks for no WebSocket or for another version of it, 405 where it is
/// no `GET`, 400 where its key is missing or malformed.
pub fn upgrade(method: &Method, headers: &HeaderMap) -> Result<HeaderMap, Refusal> {
    let websocket = (UPGRADE, HeaderValue::from_static("websocket"));
    let connection = (CONNECTION, HeaderValue::from_static("Upgrade"));
    if !is_upgrade(headers) {
        let message = "only WebSocket connections are answered here";
        return Err(refusal(StatusCode::UPGRADE_REQUIRED, message, [websocket, connection])
            .hint("connect with a WebSocket client, or use `GET /config/{name}` over HTTP"));
    }
    if method != Method::GET {
        return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened with `GET`", []));
    }
    if !names(headers, &SEC_WEBSOCKET_VERSION, "13") {
        let version = (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let message = "only version 13 of the WebSocket protocol is understood";
        return Err(refusal(StatusCode::UPGRADE_REQUIRED, message, [version]));
    }
    // Sixteen bytes in Base64.
    let key = headers.get(SEC_WEBSOCKET_KEY).map(|key| key.as_bytes().trim_ascii());
    let valid = |key: &&[u8]| key.len() == 24 && key.ends_with(b"==");
    let accept = key.filter(valid).and_then(|key| HeaderValue::try_from(derive_accept_key(key)).ok());
    let Some(accept) = accept else {
        let message = "the `Sec-WebSocket-Key` header is missing or malformed";
        return Err(refusal(StatusCode::BAD_REQUEST, message, []));
    };
    Ok(HeaderMap::from_iter([websocket, connection, (SEC_WEBSOCKET_ACCEPT, accept)]))
}

/// Whether a comma-separated header names the token, in any case.
fn names(headers: &HeaderMap, header: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
}

fn refusal<const N: usize>(status: StatusCode, message: &str, headers: [(HeaderName, HeaderValue); N]) -> Refusal {
    Refusal { status, headers: HeaderMap::from_iter(headers), error: Error::new(Code::Message, message) }
}

impl Refusal {
    fn hint(mut self, hint: &str) -> Refusal {
        self.error = self.error.with_hint(hint);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(change: impl FnOnce(&mut HeaderMap)) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        change(&mut headers);
        headers
    }

    #[test]
    fn the_key_of_the_standard_gets_the_answer_of_the_standard() {
        let headers = upgrade(&Method::GET, &request(|_| {})).unwrap();
        assert_eq!(headers[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(
            (&headers[UPGRADE], &headers[CONNECTION]),
            (&"websocket".parse().unwrap(), &"Upgrade".parse().unwrap())
        );
    }

    #[test]
    fn other_requests_are_refused_with_the_status_of_the_standard() {
        let refused = |method: &Method, change: fn(&mut HeaderMap)| upgrade(method, &request(change)).unwrap_err();
        let plain = refused(&Method::GET, |headers| drop(headers.remove(UPGRADE)));
        assert_eq!(plain.status, StatusCode::UPGRADE_REQUIRED);
        assert_eq!(plain.headers[UPGRADE], "websocket");
        assert!(plain.error.hint().is_some());
        let old = refused(&Method::GET, |headers| drop(headers.insert(SEC_WEBSOCKET_VERSION, 8.into())));
        assert_eq!((old.status, &old.headers[SEC_WEBSOCKET_VERSION]), (StatusCode::UPGRADE_REQUIRED, &13.into()));
        assert_eq!(refused(&Method::POST, |_| {}).status, StatusCode::METHOD_NOT_ALLOWED);
        let keyless = refused(&Method::GET, |headers| drop(headers.remove(SEC_WEBSOCKET_KEY)));
        assert_eq!(keyless.status, StatusCode::BAD_REQUEST);
        let short = refused(&Method::GET, |headers| drop(headers.insert(SEC_WEBSOCKET_KEY, 7.into())));
        assert_eq!(short.status, StatusCode::BAD_REQUEST);
    }
}
