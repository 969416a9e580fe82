//! Coercion of text to the type of another value.

use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::value::{List, Number, Value};

/// The one rule for bools in text: `true`, `1`, `yes`, `on`, `enabled` and `false`, `0`, `no`, `off`, `disabled` in any
/// case, blanks around them ignored. Anything else is none.
pub fn parse_bool(text: &str) -> Option<bool> {
    let text = text.trim();
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    if ["true", "1", "yes", "on", "enabled"].iter().any(is) {
        Some(true)
    } else if ["false", "0", "no", "off", "disabled"].iter().any(is) {
        Some(false)
    } else {
        None
    }
}

/// Reads text as a value of the type that `like` has.
///
/// | like | text |
/// |---|---|
/// | bool | see [`parse_bool`] |
/// | number | a decimal number; a whole number may become a fraction, because `1.0` *is* `1` |
/// | list | JSON if it starts with `[`, else items between commas; they take the type that all old items have |
/// | map | a JSON object |
/// | string, null | the text as it is |
///
/// # Errors
/// [`Code::Type`] where the text is nothing of that type. The message never holds the text: it may be secret.
pub fn coerce_like(raw: &str, like: &Value) -> Result<Value> {
    match like {
        Value::Null | Value::String(_) => Ok(raw.into()),
        Value::Bool(_) => parse_bool(raw).map(Value::from).ok_or_else(|| {
            expected("a bool")
                .with_hint("write `true`, `1`, `yes`, `on` or `enabled`, or `false`, `0`, `no`, `off` or `disabled`")
        }),
        Value::Number(old) => number(raw.trim()).map(Value::from).ok_or_else(|| {
            expected(if old.is_integer() { "an integer" } else { "a number" })
                .with_hint("write decimal digits, without `_` or other separators; integers have 64 bits")
        }),
        Value::Map(_) => {
            match parse(raw, Format::Json) {
                Ok(map @ Value::Map(_)) => Ok(map),
                _ => Err(expected("a map")
                    .with_hint("write a JSON object, or set its keys one by one with `__` between them")),
            }
        }
        Value::List(old) => list(raw, old),
    }
}

fn expected(what: &str) -> Error {
    Error::new(Code::Type, format!("expected {what}"))
}

/// A decimal number: sign, digits, fraction, exponent. Integers beyond 64 bits are refused, as parsers of files do.
pub(super) fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
    {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from)).ok();
    }
    text.parse().ok().and_then(Number::from_f64)
}

fn list(raw: &str, old: &List) -> Result<Value> {
    let hint = "write a JSON array, or items with commas between them";
    if raw.trim_start().starts_with('[') {
        return match parse(raw, Format::Json) {
            Ok(list @ Value::List(_)) => Ok(list),
            _ => Err(expected("a list").with_hint(hint)),
        };
    }
    if raw.trim().is_empty() {
        return Ok(List::default().into());
    }
    let like = match old.get(0) {
        Some(first @ (Value::Bool(_) | Value::Number(_)))
            if old.iter().all(|item| std::mem::discriminant(item) == std::mem::discriminant(first)) =>
        {
            first
        }
        _ => &Value::Null,
    };
    let items: Result<List> =
        raw.split(',').map(|item| coerce_like(item.trim(), like)).collect::<Result<Vec<_>>>().map(List::from);
    items.map(Value::from).map_err(|error| {
        Error::new(Code::Type, format!("{} in every item of the list", error.message())).with_hint(hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonical;

    fn coerce(raw: &str, like: impl Into<Value>) -> Result<String> {
        coerce_like(raw, &like.into()).map(|value| canonical(&value))
    }

    #[test]
    fn bools_follow_one_rule() {
        for word in ["true", "TRUE", "1", "yes", "On", "enabled", " true "] {
            assert_eq!(parse_bool(word), Some(true), "{word}");
        }
        for word in ["false", "0", "No", "OFF", "disabled"] {
            assert_eq!(parse_bool(word), Some(false), "{word}");
        }
        for word in ["", "y", "t", "2", "ture", "null"] {
            assert_eq!(parse_bool(word), None, "{word}");
            assert_eq!(coerce(word, true).unwrap_err().code(), Code::Type);
        }
    }

    #[test]
    fn numbers_are_decimal_and_nothing_else() {
        for (raw, want) in [
            ("200", "200"),
            (" 200 ", "200"),
            ("-5", "-5"),
            ("+5", "5"),
            ("007", "7"),
            ("1.5", "1.5"),
            ("1e3", "1000"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            assert_eq!(coerce(raw, 1).unwrap(), want, "{raw}");
        }
        for raw in ["", "abc", "1_000", "0x10", "nan", "inf", "1e999", "18446744073709551616", "1 2", "-", "."] {
            let error = coerce(raw, 1).unwrap_err();
            assert_eq!((error.code(), error.message()), (Code::Type, "expected an integer"), "{raw}");
        }
    }

    #[test]
    fn lists_are_json_or_items_between_commas() {
        assert_eq!(coerce("a, b", vec!["x".into()]).unwrap(), r#"["a","b"]"#);
        assert_eq!(coerce("80,443", vec![1.into(), 2.into()]).unwrap(), "[80,443]");
        assert_eq!(coerce("80,443", Vec::<Value>::new()).unwrap(), r#"["80","443"]"#);
        assert_eq!(coerce("80,443", vec![1.into(), "x".into()]).unwrap(), r#"["80","443"]"#);
        assert_eq!(coerce(r#"[1,"a"]"#, vec![1.into()]).unwrap(), r#"[1,"a"]"#);
        assert_eq!(coerce("", vec![1.into()]).unwrap(), "[]");
        assert!(coerce("80,x", vec![1.into()]).is_err());
        assert!(coerce("[80", vec![1.into()]).is_err());
    }

    #[test]
    fn maps_are_json_and_text_stays_text() {
        assert_eq!(coerce(r#"{"a":1}"#, Value::empty_map()).unwrap(), r#"{"a":1}"#);
        assert!(coerce("x", Value::empty_map()).is_err());
        assert!(coerce("[1]", Value::empty_map()).is_err());
        assert_eq!(coerce(" 17 ", "text").unwrap(), r#"" 17 ""#);
        assert_eq!(coerce("17", Value::Null).unwrap(), r#""17""#);
    }
}
