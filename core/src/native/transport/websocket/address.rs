//! The addresses that users write.
use std::fmt;

use hyper::Uri;

use crate::error::{Code, Error, Result};

/// A checked `ws://` or `wss://` address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    url: String,
    host: String,
    port: u16,
    secure: bool,
}

impl Address {
    /// Reads `ws://host[:port][/path][?query]` or the same with `wss://`; the port is 80 or 443 and the path `/sync` where they
    /// are missing.
    ///
    /// # Errors
    /// [`Code::Usage`] where it is no such address, with the corrected one in the hint where we can guess it.
    pub fn parse(text: &str) -> Result<Address> {
        let fail = |message: String| Error::new(Code::Usage, message);
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(fail(format!("`{text}` is no WebSocket address")).with_hint(format!("write `ws://{text}`")));
        };
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            "https" => {
                return Err(fail(format!("`{text}` is a web address, not a WebSocket address"))
                    .with_hint(format!("write `wss://{rest}`")));
            }
            "http" => {
                return Err(fail(format!("`{text}` is a web address, not a WebSocket address"))
                    .with_hint(format!("write `ws://{rest}`")));
            }
            _ => {
                return Err(fail(format!("`{text}` is no WebSocket address"))
                    .with_hint("write `ws://host:port`, for example `ws://127.0.0.1:8765`"));
            }
        };
        let scheme = if secure { "wss" } else { "ws" };
        let broken = || fail(format!("`{text}` is no valid address")).with_hint("write `ws://host:port`");
        let uri: Uri = format!("{scheme}://{rest}").parse().map_err(|_| broken())?;
        let authority = uri.authority().ok_or_else(broken)?;
        if authority.as_str().contains('@') {
            // Not shown: it may hold a password.
            return Err(fail("a user name or password in an address is not supported".to_owned())
                .with_hint("leave out what stands before the `@`"));
        }
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            None if !has_port => {
                if secure {
                    443
                } else {
                    80
                }
            }
            _ => return Err(broken().with_hint("the port is a number from 1 to 65535")),
        };
        let host = authority.host();
        if host.is_empty() {
            return Err(broken());
        }
        if uri.query().is_some_and(|query| query.split('&').any(|part| part.starts_with("token="))) {
            return Err(fail("a token in an address ends up in logs".to_owned())
                .with_hint("put it into a file, and name that: `--token-file FILE`, `token_file`"));
        }
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = if uri.path() == "/" { "/sync" } else { uri.path() };
        Ok(Address {
            url: format!("{scheme}://{authority}{path}{query}"),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            secure,
        })
    }

    /// The complete address.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Whether it is spoken to over TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host and port to connect to; the brackets of an IPv6 address are gone.
    pub fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, url: &str, host: &str, port: u16) {
        let address = Address::parse(text).unwrap();
        assert_eq!((address.as_str(), address.host_and_port()), (url, (host, port)));
    }

    #[test]
    fn missing_parts_are_filled_in() {
        check("ws://127.0.0.1:8765", "ws://127.0.0.1:8765/sync", "127.0.0.1", 8765);
        check("ws://localhost:8765/", "ws://localhost:8765/sync", "localhost", 8765);
        check("WS://host", "ws://host/sync", "host", 80);
        check("ws://host:1/ws/config?a=b", "ws://host:1/ws/config?a=b", "host", 1);
        check("wss://host", "wss://host/sync", "host", 443);
        check("ws://[::1]:8765", "ws://[::1]:8765/sync", "::1", 8765);
        check("ws://[::1]", "ws://[::1]/sync", "::1", 80);
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, hint) in [
            ("http://localhost:8765", "write `ws://localhost:8765`"),
            ("localhost:8765", "write `ws://localhost:8765`"),
            ("https://host", "write `wss://host`"),
            ("ftp://host", "write `ws://host:port`, for example `ws://127.0.0.1:8765`"),
            ("ws://host:99999", "the port is a number from 1 to 65535"),
            ("ws://host:0", "the port is a number from 1 to 65535"),
            ("ws://", "write `ws://host:port`"),
            ("ws://:80", "write `ws://host:port`"),
            ("ws://a b", "write `ws://host:port`"),
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::Usage, "{text}");
            assert_eq!(error.hint(), Some(hint), "{text}");
            assert!(error.message().contains(&format!("`{text}`")), "{error}");
        }
        let error = Address::parse("ws://me:hunter2@host").unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        let error = Address::parse("ws://host/sync?a=b&token=hunter2").unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
