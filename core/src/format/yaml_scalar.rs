//! YAML 1.2 core schema: what a plain scalar means.

use super::json::float;
use crate::error::Code;
use crate::value::{Number, Str, Value};

/// Why a scalar is refused: code, message, hint.
pub(super) type Refusal = (Code, String, &'static str);

/// The value of an untagged plain scalar.
pub(super) fn plain(text: &str) -> Result<Value, Refusal> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    Ok(number(text)?.map_or_else(|| Value::String(Str::from(text)), Value::Number))
}

/// The number that the text spells; none if it spells none.
pub(super) fn number(text: &str) -> Result<Option<Number>, Refusal> {
    let range = || {
        let shown: String = text.chars().take(40).collect();
        let message = format!("number `{shown}` does not fit 64 bits without loss");
        (Code::NumberRange, message, "write it as a string, in quotes")
    };
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        let message = format!("`{text}` has no counterpart in other formats");
        return Err((Code::NumberRange, message, "use a large number, null, or a string in quotes"));
    }
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|c| c.is_digit(radix))
        {
            return u64::from_str_radix(digits, radix).map(|int| Some(Number::from(int))).map_err(|_| range());
        }
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return integer(text).map(Some).ok_or_else(range);
    }
    if is_float(unsigned) {
        // Rust reads `.5` and `5.` as well.
        return float(text, false).map(Some).ok_or_else(range);
    }
    Ok(None)
}

/// A decimal integer with an optional sign and leading zeros.
fn integer(text: &str) -> Option<Number> {
    let digits = text.trim_start_matches(['-', '+']).trim_start_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    if !text.starts_with('-') {
        return digits.parse::<u64>().map(Number::from).ok().or_else(|| float(digits, true));
    }
    let digits = format!("-{digits}");
    digits.parse::<i64>().map(Number::from).ok().or_else(|| float(&digits, true))
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty()),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    mantissa_fits && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let cases: [(&str, Value); 27] = [
            ("null", Value::Null),
            ("~", Value::Null),
            ("nUll", "nUll".into()),
            ("TRUE", true.into()),
            ("tRue", "tRue".into()),
            ("no", "no".into()),
            ("on", "on".into()),
            ("y", "y".into()),
            ("017", 17.into()),
            ("08", 8.into()),
            ("0o17", 15.into()),
            ("0o18", "0o18".into()),
            ("0x1F", 31.into()),
            ("-0x1F", "-0x1F".into()),
            ("0b11", "0b11".into()),
            ("1_000", "1_000".into()),
            ("+12", 12.into()),
            ("-0", 0.into()),
            ("-9223372036854775808", i64::MIN.into()),
            ("18446744073709551615", u64::MAX.into()),
            ("100000000000000000000", Number::from_f64(1e20).unwrap().into()),
            ("1.", 1.into()),
            (".5", Number::from_f64(0.5).unwrap().into()),
            ("1e3", 1000.into()),
            (".", ".".into()),
            ("1.2.3", "1.2.3".into()),
            ("2001-01-01", "2001-01-01".into()),
        ];
        for (text, want) in cases {
            assert_eq!(plain(text).unwrap(), want, "{text}");
        }
        for text in [".inf", "-.Inf", "+.INF", ".nan", "18446744073709551616", "0xffffffffffffffffff", "1e400"] {
            assert_eq!(plain(text).unwrap_err().0, Code::NumberRange, "{text}");
        }
    }
}
