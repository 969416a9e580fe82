//! Origins of pages and names of hosts, and the entries of lists that allow them.
use crate::error::{Code, Error, Result};

/// Where a page comes from: scheme, host and port, as RFC 6454 prints it in the `Origin` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    /// Reads an `Origin` header; `null` and what is none of the form are no origin that could be allowed.
    pub(super) fn parse(text: &str) -> Option<Origin> {
        let (scheme, host, port) = parts(text)?;
        let port = match port {
            Some(port) => Some(port.parse().ok()?),
            None => default_port(&scheme),
        };
        Some(Origin { scheme, host, port })
    }
}

/// An entry of the list of allowed origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AllowedOrigin {
    scheme: String,
    host: String,
    /// None: any.
    port: Option<Option<u16>>,
}

impl AllowedOrigin {
    /// Reads `https://app.example`, `http://localhost:5173` or `http://localhost:*`.
    pub(super) fn parse(text: &str) -> Result<AllowedOrigin> {
        let wrong = |hint: &str| Err(Error::new(Code::Usage, format!("`{text}` is not an origin")).with_hint(hint));
        let form = "write scheme, host and port as the browser does: `https://app.example`, `http://localhost:5173`, or \
                    `http://localhost:*` for any port";
        match text.trim() {
            "*" => {
                return wrong(
                    "a wildcard would let every page that anybody opens change the configuration: name the origins",
                );
            }
            "null" => {
                return wrong("sandboxed pages and local files of anybody send `null`: serve the page from an address");
            }
            _ => {}
        }
        let trimmed = text.trim().strip_suffix('/').unwrap_or(text.trim());
        let Some((scheme, host, port)) = parts(trimmed) else { return wrong(form) };
        let port = match port {
            Some("*") => None,
            Some(port) => match port.parse() {
                Ok(port) => Some(Some(port)),
                Err(_) => return wrong(form),
            },
            None => Some(default_port(&scheme)),
        };
        Ok(AllowedOrigin { scheme, host, port })
    }

    pub(super) fn matches(&self, origin: &Origin) -> bool {
        (&self.scheme, &self.host) == (&origin.scheme, &origin.host) && self.port.is_none_or(|port| port == origin.port)
    }
}

/// An entry of the list of names that an instance is called by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AllowedHost {
    name: String,
    is_suffix: bool,
}

impl AllowedHost {
    /// Reads `config.example`, or `*.example` for every name below it.
    pub(super) fn parse(text: &str) -> Result<AllowedHost> {
        let lower = text.trim().to_ascii_lowercase();
        let (name, is_suffix) = match lower.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (lower.as_str(), false),
        };
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !is_name {
            return Err(Error::new(Code::Usage, format!("`{text}` is not a host name"))
                .with_hint("write a name without scheme and port, such as `config.example`, or `*.example`"));
        }
        Ok(AllowedHost { name: name.to_owned(), is_suffix })
    }

    pub(super) fn matches(&self, host: &str) -> bool {
        if self.is_suffix {
            host.strip_suffix(&self.name).is_some_and(|above| above.len() > 1 && above.ends_with('.'))
        } else {
            host == self.name
        }
    }
}

/// Scheme, host and port of a text without anything else in it, in lower case.
fn parts(text: &str) -> Option<(String, String, Option<&str>)> {
    let (scheme, authority) = text.split_once("://")?;
    let is_scheme =
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    let is_host = !host.is_empty()
        && host.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || b"-._".contains(&byte) || is_bracketed && b"[]:".contains(&byte)
        });
    (is_scheme && is_host).then(|| (scheme.to_ascii_lowercase(), host.to_ascii_lowercase(), port))
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_no_origins_are_refused_with_the_form() {
        for text in
            ["*", "null", "", "app.example", "https://", "https://a/b", "https://u@a", "https://a:x", "https://*.a"]
        {
            let error = AllowedOrigin::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::Usage, "{text}");
            assert!(error.hint().is_some(), "{text}");
        }
        for text in ["https://app.example", "https://APP.example/", "http://[::1]:8080", "capacitor://localhost"] {
            assert!(AllowedOrigin::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn entries_that_are_no_host_names_are_refused() {
        for text in ["", "*", "http://a", "a:80", "a b", "*.", "[::1]"] {
            assert!(AllowedHost::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn origins_compare_with_their_default_ports() {
        let allowed = AllowedOrigin::parse("https://app.example:443").unwrap();
        assert!(allowed.matches(&Origin::parse("https://APP.example").unwrap()));
        assert!(!allowed.matches(&Origin::parse("http://app.example:443").unwrap()));
        assert_eq!(Origin::parse("null"), None);
        assert_eq!(Origin::parse("https://a:99999"), None);
    }
}
