//! Questions to another instance over HTTP, for what peers do not tell each other.
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::limits::MAX_TEXT_BYTES;
use crate::native::io_error::reason;
use crate::native::net::{Shown, Stream, tls};
use crate::value::Value;

const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// An answer is at most a document and what is said about it.
const MAX_ANSWER_BYTES: u64 = 2 * MAX_TEXT_BYTES as u64;

/// An instance that is asked.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    secure: bool,
    authority: String,
    host: String,
    port: u16,
}

impl Elsewhere {
    /// Reads `http://host[:port]`, or the address under which an instance is dialed as a peer, `ws://host[:port]/sync`; or the
    /// same with `https` or `wss`.
    ///
    /// # Errors
    /// [`Code::Usage`] where it is neither.
    pub fn parse(url: &str) -> Result<Elsewhere> {
        let bad = |why: &str| {
            Error::new(Code::Usage, format!("cannot use the URL `{url}`: {why}"))
                .with_hint("name an instance like http://127.0.0.1:8765")
        };
        let (scheme, rest) = url.trim().split_once("://").unwrap_or(("http", url.trim()));
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(bad("its scheme is not http or https")),
        };
        let rest = rest.strip_suffix("/sync").or(rest.strip_suffix('/')).unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) {
            // Not shown: it may hold a password.
            let message = "cannot use the URL: it has more than a host and a port";
            return Err(Error::new(Code::Usage, message).with_hint("name an instance like http://127.0.0.1:8765"));
        }
        let uri: Uri = format!("http://{rest}").parse().map_err(|_| bad("it is malformed"))?;
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| bad("it names no host"))?;
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(port) => port,
            None if !has_port => {
                if secure {
                    443
                } else {
                    80
                }
            }
            None => return Err(bad("it is malformed")),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Elsewhere { secure, authority: authority.to_string(), host, port })
    }

    /// What it answers to a `GET` of who shows that.
    ///
    /// # Errors
    /// [`Code::Unreachable`] where nothing answers in time, or not as an instance does; [`Code::Unauthenticated`] and
    /// [`Code::Forbidden`] where it does not answer to us.
    pub async fn get(&self, target: &str, shown: &Shown) -> Result<Value> {
        let cannot = |why: String| {
            Error::new(Code::Unreachable, format!("cannot reach {}: {why}", self.authority))
                .with_hint("is an instance running there, and does it listen?")
        };
        let (token, tls) = (shown.token.read()?, self.secure.then(|| shown.tls()).transpose()?);
        let answer = timeout(ANSWER_WITHIN, self.exchange(target, token.as_deref(), tls.as_ref())).await;
        let answer = answer.map_err(|_| cannot("timed out".to_owned()))?.map_err(cannot)?;
        let text = String::from_utf8_lossy(&answer);
        let strange = || cannot("it does not answer like a confmesh instance".to_owned());
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(strange)?;
        match head.split(' ').nth(1) {
            Some("200") => {}
            Some("401") => {
                return Err(Error::new(Code::Unauthenticated, format!("{} does not know us", self.authority))
                    .with_hint("start this instance with a token of that one: `--token-file FILE`, `token_file`"));
            }
            Some("403") => {
                return Err(Error::new(Code::Forbidden, format!("{} does not answer to us", self.authority)));
            }
            _ => return Err(strange()),
        }
        parse(body, Format::Json).map_err(|_| strange())
    }

    /// HTTP/1.0: the answer is everything until the other side closes.
    async fn exchange(
        &self,
        target: &str,
        token: Option<&str>,
        tls: Option<&Arc<ClientConfig>>,
    ) -> std::result::Result<Vec<u8>, String> {
        let failed = |error: std::io::Error| reason(&error);
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        let is_here = stream.peer_addr().is_ok_and(|address| address.ip().is_loopback());
        if token.is_some() && tls.is_none() && !is_here {
            return Err("the token would go there for everybody on the way to read: use `https://`".to_owned());
        }
        let mut stream = match tls {
            Some(tls) => {
                tls::connect(tls, &self.host, stream).await.map_err(|(what, hint)| format!("{what} ({hint})"))?
            }
            None => Stream::Plain(stream),
        };
        let shown = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head = format!("GET {target} HTTP/1.0\r\nhost: {}\r\n{shown}connection: close\r\n\r\n", self.authority);
        stream.write_all(head.as_bytes()).await.map_err(failed)?;
        stream.flush().await.map_err(failed)?;
        let mut answer = Vec::new();
        match stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await {
            // Many close without the goodbye of TLS; what is cut is no document.
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_named_as_people_and_as_peers_name_it() {
        for (url, authority, host, port) in [
            ("http://127.0.0.1:8765", "127.0.0.1:8765", "127.0.0.1", 8765),
            ("ws://10.0.0.7:4733/sync", "10.0.0.7:4733", "10.0.0.7", 4733),
            ("localhost:1/", "localhost:1", "localhost", 1),
            ("http://[::1]:80", "[::1]:80", "::1", 80),
            ("http://config.example", "config.example", "config.example", 80),
            ("https://config.example", "config.example", "config.example", 443),
            ("wss://10.0.0.7:4733/sync", "10.0.0.7:4733", "10.0.0.7", 4733),
        ] {
            let found = Elsewhere::parse(url).unwrap();
            assert_eq!((&*found.authority, &*found.host, found.port), (authority, host, port), "{url}");
        }
        for url in ["ftp://h", "http://", "http://h/config", "http://h:port", "http://a b", ""] {
            assert_eq!(Elsewhere::parse(url).unwrap_err().code(), Code::Usage, "{url}");
        }
        let hidden = Elsewhere::parse("http://ann:hunter2@h").unwrap_err().to_string();
        assert!(!hidden.contains("hunter2"), "{hidden}");
    }
}
