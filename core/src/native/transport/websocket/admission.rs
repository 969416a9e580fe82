//! Who is on the other side of a connection that was accepted: known from its request, or from its first message.
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::counted::Counted;
use crate::canonical::canonical;
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::native::guard::{Gate, Pass, nothing_shown};
use crate::value::Value;

/// How long somebody may take to say who it is, and how many bytes.
const SAYS_WITHIN: Duration = Duration::from_secs(10);
pub(super) const MAX_STRANGER_BYTES: u64 = 64 << 10;
/// The code of the goodbye to who may not come in.
const UNAUTHENTICATED: u16 = 4001;
/// How long it may take to hear that it may not come in.
const HEARS_WITHIN: Duration = Duration::from_secs(1);

/// Who may be on the other side of a connection.
#[derive(Clone, Debug)]
pub enum Admission {
    /// Anybody: there is no authentication.
    Anybody,
    /// Its request said who it is.
    Known(Gate, Pass),
    /// It says so in its first message: `{"type": "authenticate", "token": "…"}`.
    Stranger(Gate),
}

/// Reads who a stranger is, and tells it whether it may come in.
pub(super) async fn admit<S>(socket: &mut WebSocketStream<Counted<S>>, gate: &Gate) -> Result<Pass>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket.get_ref().allow(MAX_STRANGER_BYTES);
    let too_slow = || Error::new(Code::Unauthenticated, "nobody said within 10 s who is there");
    let first = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => return Some(text.as_str().to_owned()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return None,
            }
        }
    };
    let first = timeout(SAYS_WITHIN, first).await;
    let found = first
        .map_err(|_| too_slow())
        .and_then(|text| token_of(&text.unwrap_or_default()))
        .and_then(|token| gate.admit_token(&token));
    let answer: Value = match &found {
        Ok(pass) => {
            let about = pass.grant.to_value();
            let fields = about.as_map().into_iter().flat_map(|map| map.iter());
            let fields = fields.map(|(name, value)| (name.clone(), value.clone()));
            Value::Map([("type".into(), "authenticated".into())].into_iter().chain(fields).collect())
        }
        Err(error) => {
            [("type", Value::from("error")), ("message", error.message().into()), ("error", error.to_value())]
                .into_iter()
                .collect()
        }
    };
    let told = socket.send(Message::text(canonical(&answer)));
    match &found {
        Ok(_) => {
            let _ = told.await; // who has gone is found out below
            socket.get_ref().allow(u64::MAX);
        }
        Err(error) => {
            let _ = timeout(HEARS_WITHIN, told).await;
            let close =
                CloseFrame { code: CloseCode::from(UNAUTHENTICATED), reason: error.message().to_owned().into() };
            let _ = timeout(HEARS_WITHIN, socket.close(Some(close))).await;
        }
    }
    found
}

/// The token of a first message.
fn token_of(text: &str) -> Result<String> {
    let message = parse(text, Format::Json).ok();
    let is_it = |message: &Value| message.child("type").and_then(Value::as_str) == Some("authenticate");
    let token = message.filter(is_it).and_then(|message| Some(message.child("token")?.as_str()?.to_owned()));
    token.ok_or_else(nothing_shown)
}
