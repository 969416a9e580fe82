//! Values: one tag byte, which of small texts and numbers is most or all of it.
//!
//! | byte | value |
//! |---|---|
//! | `00` `01` `02` | null, false, true |
//! | `03` | an integer: varint, zigzag |
//! | `04` | an integer above 2^63 - 1: varint |
//! | `05` | a float: 8 bytes of IEEE 754, lowest first |
//! | `06` | a text of 64 bytes or more: length, UTF-8 |
//! | `07` | a list: count, items |
//! | `08` | a map: count, then keys (length, UTF-8) in ascending order, each with its value |
//! | `40`-`7F` | a text of 0 to 63 bytes |
//! | `80`-`FF` | an integer from 0 to 127 |
//!
//! Every value has one form; others are refused.

use super::bytes::{Reader, malformed, newer, put_count, put_text, put_varint, unzigzag, zigzag};
use crate::error::Result;
use crate::limits::MAX_DEPTH;
use crate::value::{List, MapBuilder, Number, Str, Value, compare_keys};

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INTEGER: u8 = 3;
const LARGE: u8 = 4;
const FLOAT: u8 = 5;
const TEXT: u8 = 6;
const LIST: u8 = 7;
const MAP: u8 = 8;
const SHORT_TEXT: u8 = 0x40;
const SMALL: u8 = 0x80;

pub(super) fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Number(number) => put_number(out, number),
        Value::String(text) => match u8::try_from(text.len()) {
            Ok(len @ 0..0x40) => {
                out.push(SHORT_TEXT | len);
                out.extend_from_slice(text.as_bytes());
            }
            _ => {
                out.push(TEXT);
                put_text(out, text);
            }
        },
        Value::List(list) => {
            out.push(LIST);
            put_values(out, list.as_slice());
        }
        Value::Map(map) => {
            out.push(MAP);
            put_count(out, map.len());
            for (key, value) in map.iter() {
                put_text(out, key);
                put_value(out, value);
            }
        }
    }
}

pub(super) fn put_values(out: &mut Vec<u8>, values: &[Value]) {
    put_count(out, values.len());
    values.iter().for_each(|value| put_value(out, value));
}

fn put_number(out: &mut Vec<u8>, number: &Number) {
    if let Some(integer) = number.as_i64() {
        match u8::try_from(integer) {
            Ok(small @ 0..0x80) => out.push(SMALL | small),
            _ => {
                out.push(INTEGER);
                put_varint(out, zigzag(integer));
            }
        }
    } else if let Some(large) = number.as_u64() {
        out.push(LARGE);
        put_varint(out, large);
    } else {
        out.push(FLOAT);
        out.extend_from_slice(&number.as_f64().to_bits().to_le_bytes());
    }
}

pub(super) fn value(reader: &mut Reader<'_>) -> Result<Value> {
    nested(reader, 0)
}

pub(super) fn values(reader: &mut Reader<'_>) -> Result<Vec<Value>> {
    items(reader, 0)
}

fn nested(reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
    Ok(match reader.byte()? {
        NULL => Value::Null,
        FALSE => Value::Bool(false),
        TRUE => Value::Bool(true),
        INTEGER => match unzigzag(reader.varint()?) {
            0..=127 => return Err(longer()),
            integer => Value::from(integer),
        },
        LARGE => {
            let large = reader.varint()?;
            if i64::try_from(large).is_ok() {
                return Err(longer());
            }
            Value::from(large)
        }
        FLOAT => {
            let float = f64::from_bits(u64::from_le_bytes(reader.array()?));
            let number = Number::from_f64(float).filter(|number| !number.is_integer());
            Value::Number(number.ok_or_else(|| malformed("a float is an integer or not finite"))?)
        }
        TEXT => {
            let text = reader.text()?;
            if text.len() < 0x40 {
                return Err(longer());
            }
            Value::from(text)
        }
        LIST => Value::List(List::from(items(reader, depth)?)),
        MAP => map(reader, depth)?,
        tag @ SHORT_TEXT..SMALL => {
            let text = reader.take(usize::from(tag & 0x3F))?;
            Value::from(str::from_utf8(text).map_err(|_| malformed("a text is not UTF-8"))?)
        }
        tag @ SMALL.. => Value::from(i64::from(tag & 0x7F)),
        _ => return Err(newer("a kind of value")),
    })
}

fn items(reader: &mut Reader<'_>, depth: usize) -> Result<Vec<Value>> {
    let count = reader.count(1)?;
    (0..count).map(|_| nested(reader, deeper(depth)?)).collect()
}

fn map(reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
    let count = reader.count(2)?;
    let mut builder = MapBuilder::with_capacity(count);
    let mut last: Option<&str> = None;
    for _ in 0..count {
        let key = reader.text()?;
        if last.is_some_and(|last| compare_keys(last, key).is_ge()) {
            return Err(malformed("the keys of a map do not ascend"));
        }
        last = Some(key);
        builder.push(Str::from(key), nested(reader, deeper(depth)?)?);
    }
    Ok(Value::Map(builder.build()))
}

fn deeper(depth: usize) -> Result<usize> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(malformed("a value nests too deep")) }
}

fn longer() -> crate::Error {
    malformed("a value is not in its shortest form")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(value: &Value) -> usize {
        let mut bytes = Vec::new();
        put_value(&mut bytes, value);
        let mut reader = Reader::new(&bytes);
        assert_eq!(super::value(&mut reader).unwrap(), *value);
        reader.end().unwrap();
        bytes.len()
    }

    #[test]
    fn numbers_at_the_edges_of_their_forms_come_back_exactly() {
        let integers = [0, 127, 128, -1, i64::MIN, i64::MAX, (1 << 53) + 1];
        for integer in integers {
            round_trip(&Value::from(integer));
        }
        for large in [1u64 << 63, (1 << 63) + 1, u64::MAX] {
            round_trip(&Value::from(large));
        }
        for float in [0.1, -2.5e-7, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e21] {
            round_trip(&Value::Number(Number::from_f64(float).unwrap()));
        }
        assert_eq!((round_trip(&80.into()), round_trip(&8080.into()), round_trip(&"x".repeat(12).into())), (1, 3, 13));
    }

    #[test]
    fn a_value_has_one_form() {
        for (bytes, why) in [
            (&[INTEGER, 0x02][..], "shortest"),
            (&[LARGE, 0x05], "shortest"),
            (&[TEXT, 1, b'x'], "shortest"),
            (&[FLOAT, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F], "integer"),
            (&[FLOAT, 0, 0, 0, 0, 0, 0, 0xF8, 0x7F], "finite"),
            (&[MAP, 2, 1, b'b', 0, 1, b'a', 0], "ascend"),
            (&[MAP, 2, 1, b'a', 0, 1, b'a', 0], "ascend"),
            (&[LIST, 9, 0], "counts more"),
            (&[0x41, 0xFF], "UTF-8"),
        ] {
            let error = value(&mut Reader::new(bytes)).unwrap_err();
            assert!(error.message().contains(why), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn what_a_newer_version_may_send_is_refused_with_advice() {
        let error = value(&mut Reader::new(&[0x3F])).unwrap_err();
        assert!(error.hint().unwrap().contains("upgrade"), "{error}");
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| {
            let mut bytes = [LIST, 1].repeat(depth);
            bytes.push(NULL);
            value(&mut Reader::new(&bytes))
        };
        assert_eq!(nested(MAX_DEPTH).unwrap().depth(), MAX_DEPTH);
        assert!(nested(MAX_DEPTH + 1).unwrap_err().message().contains("too deep"));
        assert!(nested(1_000_000).unwrap_err().message().contains("too deep"));
    }
}
