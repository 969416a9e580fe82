//! What JSON5 has beyond JSON with comments: texts in single quotes, bare keys, more spellings of numbers and escapes.

use super::json::{Parser, float, number_range};
use crate::error::{Code, Error, Result};
use crate::value::{Number, Str, Value};

/// Whether a key stands without quotes in JSON5.
pub(super) fn is_bare_key(key: &str) -> bool {
    !key.is_empty() && !key.starts_with(|c: char| c.is_numeric()) && key.chars().all(is_name)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '$' | '_')
}

/// A text in single quotes.
pub(super) fn single_quoted(text: &str) -> String {
    let mut inner = String::new();
    super::json_print::write_string(&mut inner, text);
    let inner = inner.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or("");
    format!("'{}'", inner.replace("\\\"", "\"").replace('\'', "\\'"))
}

impl Parser<'_> {
    /// A value that only JSON5 knows; none where none starts here.
    pub(super) fn more_values(&mut self) -> Result<Option<Value>> {
        match self.peek() {
            Some(b'\'') => {
                self.at += 1;
                self.quoted('\'').map(|text| Some(Value::String(text)))
            }
            Some(b'+' | b'.' | b'I' | b'N') => self.more_numbers().map(|number| Some(Value::Number(number))),
            _ => Ok(None),
        }
    }

    /// A key without double quotes.
    pub(super) fn more_keys(&mut self) -> Result<Str> {
        if self.peek() == Some(b'\'') {
            self.at += 1;
            return self.quoted('\'');
        }
        let start = self.at;
        let mut key = String::new();
        while let Some(c) = self.rest().chars().next() {
            if c == '\\' && self.rest().starts_with("\\u") {
                key.push(self.escape()?);
            } else if is_name(c) || (self.at > start && matches!(c, '\u{200c}' | '\u{200d}')) {
                key.push(c);
                self.at += c.len_utf8();
            } else {
                break;
            }
        }
        if key.is_empty() || key.starts_with(|c: char| c.is_numeric()) {
            self.at = start;
            return Err(self.unexpected("a key"));
        }
        Ok(Str::from(key))
    }

    /// The blanks of JSON5 beyond those of JSON; false where none stands here.
    pub(super) fn more_blanks(&mut self) -> bool {
        let found = self.rest().chars().next().filter(|c| c.is_whitespace() || *c == '\u{feff}');
        self.at += found.map_or(0, char::len_utf8);
        found.is_some()
    }

    /// The text up to its closing quote; the opening one is taken.
    pub(super) fn quoted(&mut self, quote: char) -> Result<Str> {
        let open = self.at - 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self
                    .fail(open, Code::Syntax, format!("text has no end, expected `{quote}`, found the end of the text"))
                    .with_hint("the file is incomplete"));
            };
            match c {
                '\\' => self.more_escapes(&mut out)?,
                '\n' | '\r' => {
                    let what = format!("expected `{quote}` at the end of the text, found the end of the line");
                    return Err(self
                        .fail(self.at, Code::Syntax, what)
                        .with_hint("close the text, or end the line with `\\` to go on in the next one"));
                }
                c => {
                    self.at += c.len_utf8();
                    if c == quote {
                        return Ok(Str::from(out));
                    }
                    out.push(c);
                }
            }
        }
    }

    fn more_escapes(&mut self, out: &mut String) -> Result<()> {
        let start = self.at;
        let after = self.rest().get(1..).unwrap_or("");
        let Some(c) = after.chars().next() else { return Err(self.unexpected("an escape")) };
        let broken = |what: &str| self.fail(start, Code::Syntax, what.to_owned());
        let taken = match c {
            'u' | 'b' | 'f' | 'n' | 'r' | 't' => {
                out.push(self.escape()?);
                return Ok(());
            }
            'v' => '\u{b}',
            '0' if !after.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) => '\0',
            'x' => {
                let digits = after.get(1..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
                let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let code = code.ok_or_else(|| broken("`\\x` needs two hexadecimal digits"))?;
                out.push(char::from(code));
                self.at += 4;
                return Ok(());
            }
            '0'..='9' => return Err(broken("a digit behind `\\` is no escape").with_hint("write `\\x` and two digits")),
            // The line goes on in the next one.
            '\r' | '\n' | '\u{2028}' | '\u{2029}' => {
                self.at += 1 + if after.starts_with("\r\n") { 2 } else { c.len_utf8() };
                return Ok(());
            }
            other => other,
        };
        out.push(taken);
        self.at += 1 + c.len_utf8();
        Ok(())
    }

    /// A number in a spelling of JSON5.
    pub(super) fn more_numbers(&mut self) -> Result<Number> {
        let start = self.at;
        let is_negative = self.peek() == Some(b'-');
        self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(rest.len());
        let mut word = rest.get(..length).unwrap_or("").to_owned();
        let is_hex = word.starts_with("0x") || word.starts_with("0X");
        if !is_hex && word.ends_with(['e', 'E']) {
            // The sign and the digits of an exponent.
            let exponent = rest.get(length..).unwrap_or("");
            let signed = exponent.strip_prefix(['+', '-']).unwrap_or("");
            let digits = signed.len() - signed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            word.push_str(exponent.get(..digits + 1).filter(|_| digits > 0).unwrap_or(""));
        }
        if word == "Infinity" || word == "NaN" {
            return Err(self
                .fail(start, Code::NumberRange, format!("`{word}` is no value here: other formats have no such number"))
                .with_hint("write a large number, `null` or a text"));
        }
        let number = match word.get(2..).filter(|_| is_hex) {
            Some(digits) => hexadecimal(digits, is_negative),
            None => decimal(&word, is_negative),
        };
        let end = self.at + word.len();
        let literal = self.text.get(start..end).unwrap_or("");
        match number {
            Some(number) => {
                self.at = end;
                Ok(number)
            }
            None if is_number(&word, is_hex) => Err(number_range(self.text, start, literal)),
            None => Err(self.wrong_number(start, &word)),
        }
    }

    fn wrong_number(&mut self, start: usize, word: &str) -> Error {
        if word.len() > 1 && word.starts_with('0') {
            return self
                .fail(start, Code::Syntax, "number has a leading zero")
                .with_hint("remove the zero, or write a text if the digits matter");
        }
        self.unexpected("a number")
    }
}

fn hexadecimal(digits: &str, is_negative: bool) -> Option<Number> {
    let number = u64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
    match is_negative {
        false => Some(Number::from(number)),
        true if number <= i64::MIN.unsigned_abs() => Some(Number::from(0i64.wrapping_sub_unsigned(number))),
        true => None,
    }
}

fn decimal(word: &str, is_negative: bool) -> Option<Number> {
    if !is_number(word, false) {
        return None;
    }
    let is_integer = word.bytes().all(|b| b.is_ascii_digit());
    if is_integer && let Ok(number) = word.parse::<u64>() {
        match is_negative {
            false => return Some(Number::from(number)),
            true if number <= i64::MIN.unsigned_abs() => return Some(Number::from(0i64.wrapping_sub_unsigned(number))),
            true => {}
        }
    }
    float(&format!("{}{word}", if is_negative { "-" } else { "" }), is_integer)
}

/// Whether a word without its sign is spelled as a number.
fn is_number(word: &str, is_hex: bool) -> bool {
    if is_hex {
        return word.len() > 2 && word.bytes().skip(2).all(|b| b.is_ascii_hexdigit());
    }
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (word, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let leads_with_zero = whole.len() > 1 && whole.starts_with('0');
    digits(whole)
        && digits(fraction)
        && digits(exponent)
        && !exponent.is_empty()
        && !leads_with_zero
        && !(whole.is_empty() && fraction.is_empty())
}
