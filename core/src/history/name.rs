//! How people name versions.

use std::fmt;

use crate::clock::{parse_rfc3339, rfc3339};
use crate::error::{Code, Error, Result};

/// A version as somebody names it. Nothing else can be named by it: it is a number or a time, and never a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its number.
    Number(u64),
    /// The newest within a time, in milliseconds since 1970: from, and to before.
    Within(u64, u64),
    /// The newest that there was at a time.
    AsOf(u64),
}

/// How long a name may be.
const MOST_BYTES: usize = 64;

impl Named {
    /// Reads `17`; `config_20240101120000.json`, or with three digits more the millisecond; or a time such as
    /// `2024-01-01T12:00:00Z`, which is the version that was in force then.
    ///
    /// # Errors
    /// [`Code::Usage`] for anything else.
    pub fn parse(text: &str) -> Result<Named> {
        let bad = || {
            Error::new(Code::Usage, "this names no version").with_hint(
                "give its number, `config_<UTC time>.json` as `confmesh history` prints it, or a time such as 2024-01-01T12:00:00Z",
            )
        };
        if text.len() > MOST_BYTES {
            return Err(bad());
        }
        if let Some(digits) = text.strip_prefix("config_").and_then(|rest| rest.strip_suffix(".json")) {
            return within(digits).ok_or_else(bad);
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Named::Number).map_err(|_| bad());
        }
        parse_rfc3339(text).map(Named::AsOf).ok_or_else(bad)
    }
}

/// `20240101120000` is a second, with three digits more a millisecond.
fn within(digits: &str) -> Option<Named> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to);
    let second = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    );
    let from = parse_rfc3339(&second)?;
    match digits.len() {
        14 => Some(Named::Within(from, from.checked_add(1_000)?)),
        17 => {
            let at = from.checked_add(part(14, 17)?.parse().ok()?)?;
            Some(Named::Within(at, at.checked_add(1)?))
        }
        _ => None,
    }
}

/// `config_20240101120000123.json`.
pub(super) fn file_name(at_ms: u64) -> String {
    let digits: String = rfc3339(at_ms).chars().filter(char::is_ascii_digit).collect();
    format!("config_{digits:0<17}.json")
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Named::Number(number) => write!(f, "{number}"),
            Named::Within(from, to) if to - from == 1 => write!(f, "of {}", rfc3339(*from)),
            Named::Within(from, _) => write!(f, "of the second {}", rfc3339(*from)),
            Named::AsOf(at) => write!(f, "that was there at {}", rfc3339(*at)),
        }
    }
}
