//! Shapes that texts commonly have: ports, URLs, addresses, versions.

// Addresses as values: nothing here opens a socket.
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::value::Value;

/// What a text has to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TextFormat {
    /// A port: a number from 1 to 65535.
    Port,
    /// `scheme://host`, with a path and more or without.
    Url,
    /// `scheme:anything` (RFC 3986), which need not name a host.
    Uri,
    /// `name@domain`.
    Email,
    /// A path of a file: not empty, no NUL.
    FilePath,
    /// `1`, `1.2` or `1.2.3`, with `-pre` and `+build` as in SemVer.
    Version,
    /// A host's name: labels of letters, digits and `-`.
    Hostname,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// Eight, four, four, four and twelve hexadecimal digits.
    Uuid,
}

impl TextFormat {
    /// Every format.
    pub const ALL: &'static [TextFormat] = &[
        TextFormat::Port,
        TextFormat::Url,
        TextFormat::Uri,
        TextFormat::Email,
        TextFormat::FilePath,
        TextFormat::Version,
        TextFormat::Hostname,
        TextFormat::Ipv4,
        TextFormat::Ipv6,
        TextFormat::Uuid,
    ];

    /// The name as schemas write it.
    pub fn as_str(self) -> &'static str {
        match self {
            TextFormat::Port => "port",
            TextFormat::Url => "url",
            TextFormat::Uri => "uri",
            TextFormat::Email => "email",
            TextFormat::FilePath => "path",
            TextFormat::Version => "version",
            TextFormat::Hostname => "hostname",
            TextFormat::Ipv4 => "ipv4",
            TextFormat::Ipv6 => "ipv6",
            TextFormat::Uuid => "uuid",
        }
    }

    /// What a text of this format looks like, to follow "expected".
    pub(super) fn example(self) -> &'static str {
        match self {
            TextFormat::Port => "a port from 1 to 65535",
            TextFormat::Url => "a URL such as `https://example.org`",
            TextFormat::Uri => "a URI such as `https://example.org` or `urn:isbn:1`",
            TextFormat::Email => "an e-mail address such as `name@example.org`",
            TextFormat::FilePath => "a path of a file",
            TextFormat::Version => "a version such as `1.2.3`",
            TextFormat::Hostname => "a host's name such as `db.example.org`",
            TextFormat::Ipv4 => "an IPv4 address such as `192.0.2.1`",
            TextFormat::Ipv6 => "an IPv6 address such as `2001:db8::1`",
            TextFormat::Uuid => "a UUID such as `123e4567-e89b-12d3-a456-426614174000`",
        }
    }

    /// Whether the value looks so. Values of types that the format says nothing about do.
    pub fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (TextFormat::Port, Value::Number(_)) => value.as_u64().is_some_and(|port| (1..=65_535).contains(&port)),
            (TextFormat::Port, Value::String(text)) => text.parse::<u16>().is_ok_and(|port| port > 0),
            (_, Value::String(text)) => self.accepts_text(text),
            _ => true,
        }
    }

    fn accepts_text(self, text: &str) -> bool {
        match self {
            TextFormat::Port => false,
            TextFormat::Url => text.split_once("://").is_some_and(|(scheme, rest)| {
                let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                is_scheme(scheme) && !host.is_empty() && !host.starts_with(':') && is_visible(rest)
            }),
            TextFormat::Uri => text
                .split_once(':')
                .is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty() && is_visible(rest)),
            TextFormat::Email => text.rsplit_once('@').is_some_and(|(name, domain)| {
                !name.is_empty() && is_visible(name) && !name.contains('@') && is_hostname(domain)
            }),
            TextFormat::FilePath => !text.is_empty() && !text.contains('\0'),
            TextFormat::Version => is_version(text),
            TextFormat::Hostname => is_hostname(text),
            TextFormat::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            TextFormat::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            TextFormat::Uuid => {
                text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
                    && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
            }
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn is_visible(text: &str) -> bool {
    !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_version(text: &str) -> bool {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let is_tag = |tag: &str| {
        tag.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    };
    let numbers: Vec<&str> = core.split('.').collect();
    numbers.len() <= 3
        && numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        && build.is_none_or(is_tag)
        && pre.is_none_or(is_tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_tells_its_texts_from_others() {
        type Case<'a> = (TextFormat, &'a [&'a str], &'a [&'a str]);
        let cases: [Case; 10] = [
            (TextFormat::Port, &["1", "65535"], &["0", "65536", "-1", "http"]),
            (
                TextFormat::Url,
                &["http://a", "https://u:p@b.c:80/x?y#z", "postgres://db/x", "redis://[::1]:6379"],
                &["a", "http://", "://a", "http://a b", "1x://a", "http:///x", "http://:80"],
            ),
            (TextFormat::Uri, &["urn:isbn:1", "http://a"], &["a", ":x", "urn:"]),
            (TextFormat::Email, &["a@b.c", "a+x@b"], &["a", "@b", "a@", "a b@c", "a@b@c", "a@-b"]),
            (TextFormat::FilePath, &["/a b", "x", "c:\\x"], &["", "a\0b"]),
            (
                TextFormat::Version,
                &["1", "1.2", "1.2.3", "1.2.3-rc.1+b5"],
                &["", "v1", "1.", "1.2.3.4", "1.2.3-", "1.x"],
            ),
            (TextFormat::Hostname, &["a", "a-b.example.org"], &["", "a..b", "-a", "a_b"]),
            (TextFormat::Ipv4, &["192.0.2.1"], &["256.0.0.1", "1.2.3"]),
            (TextFormat::Ipv6, &["::1"], &["1.2.3.4", ":"]),
            (
                TextFormat::Uuid,
                &["123e4567-e89b-12d3-a456-426614174000"],
                &["123e4567", "x23e4567-e89b-12d3-a456-426614174000"],
            ),
        ];
        assert_eq!(cases.len(), TextFormat::ALL.len());
        for (format, good, bad) in cases {
            for text in good {
                assert!(format.accepts(&(*text).into()), "{format:?} {text}");
            }
            for text in bad {
                assert!(!format.accepts(&(*text).into()), "{format:?} {text}");
            }
        }
        assert!(TextFormat::Port.accepts(&8080.into()));
        for bad in [0, -1, 65_536] {
            assert!(!TextFormat::Port.accepts(&bad.into()));
        }
    }
}
