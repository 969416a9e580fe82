//! From types to values, and from values to any format.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::{not_finite, too_long, within};
use crate::error::{Code, Error, Result};
use crate::value::{List, Number, Str, Value};

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => serializer.serialize_i64(value),
                (None, Some(value)) => serializer.serialize_u64(value),
                (None, None) => serializer.serialize_f64(number.as_f64()),
            },
            Value::String(text) => serializer.serialize_str(text),
            Value::List(list) => serializer.collect_seq(list.iter()),
            Value::Map(map) => serializer.collect_map(map.iter().map(|(key, value)| (key.as_str(), value))),
        }
    }
}

/// Makes a [`Value`].
pub(super) struct Serializer;

/// A list that is being made, and the variant that it belongs to.
pub(super) struct Items {
    items: Vec<Value>,
    variant: Option<&'static str>,
}

/// A map that is being made, and the variant that it belongs to.
pub(super) struct Entries {
    entries: Vec<(Str, Value)>,
    key: Option<Str>,
    variant: Option<&'static str>,
}

fn in_variant(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => [(variant, value)].into_iter().collect(),
        None => value,
    }
}

impl Items {
    fn new(length: Option<usize>, variant: Option<&'static str>) -> Items {
        // The length is a hint of somebody else's code.
        Items { items: Vec::with_capacity(length.unwrap_or(0).min(1_024)), variant }
    }

    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
        let at = self.items.len();
        self.items.push(item.serialize(Serializer).map_err(|error| within(error, &at.to_string()))?);
        Ok(())
    }

    fn made(self) -> Value {
        in_variant(self.variant, Value::List(List::from(self.items)))
    }
}

impl Entries {
    fn new(variant: Option<&'static str>) -> Entries {
        Entries { entries: Vec::new(), key: None, variant }
    }

    fn push<T: Serialize + ?Sized>(&mut self, key: Str, value: &T) -> Result<()> {
        let value = value.serialize(Serializer).map_err(|error| within(error, &key))?;
        self.entries.push((key, value));
        Ok(())
    }

    fn made(self) -> Value {
        in_variant(self.variant, self.entries.into_iter().collect())
    }
}

macro_rules! scalars {
    ($($method:ident: $type:ty => |$value:ident| $into:expr;)*) => {
        $(fn $method(self, $value: $type) -> Result<Value> { $into })*
    };
}

impl serde::Serializer for Serializer {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    scalars! {
        serialize_bool: bool => |value| Ok(value.into());
        serialize_i8: i8 => |value| Ok(i64::from(value).into());
        serialize_i16: i16 => |value| Ok(i64::from(value).into());
        serialize_i32: i32 => |value| Ok(value.into());
        serialize_i64: i64 => |value| Ok(value.into());
        serialize_u8: u8 => |value| Ok(u64::from(value).into());
        serialize_u16: u16 => |value| Ok(u64::from(value).into());
        serialize_u32: u32 => |value| Ok(value.into());
        serialize_u64: u64 => |value| Ok(value.into());
        serialize_i128: i128 => |value| match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => Ok(value.into()),
            (_, Ok(value)) => Ok(value.into()),
            _ => Err(too_long()),
        };
        serialize_u128: u128 => |value| u64::try_from(value).map(Value::from).map_err(|_| too_long());
        serialize_f64: f64 => |value| Number::from_f64(value).map(Value::from).ok_or_else(not_finite);
        serialize_char: char => |value| Ok(value.to_string().into());
        serialize_str: &str => |value| Ok(value.into());
        serialize_bytes: &[u8] => |value| Ok(value.iter().map(|byte| u64::from(*byte).into()).collect::<Vec<Value>>().into());
        serialize_unit_struct: &'static str => |_name| Ok(Value::Null);
    }

    fn serialize_f32(self, value: f32) -> Result<Value> {
        // The shortest text that gives the same `f32`, not the digits of its neighbour among the doubles.
        value.to_string().parse::<f64>().map_or_else(|_| Err(not_finite()), |value| self.serialize_f64(value))
    }

    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value> {
        value.serialize(self).map(|value| in_variant(Some(variant), value)).map_err(|error| within(error, variant))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items> {
        Ok(Items::new(length, None))
    }

    fn serialize_tuple(self, length: usize) -> Result<Items> {
        Ok(Items::new(Some(length), None))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items> {
        Ok(Items::new(Some(length), None))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, length: usize) -> Result<Items> {
        Ok(Items::new(Some(length), Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries> {
        Ok(Entries::new(None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries> {
        Ok(Entries::new(None))
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Entries> {
        Ok(Entries::new(Some(variant)))
    }
}

macro_rules! lists {
    ($($trait:ident::$method:ident,)*) => {
        $(impl $trait for Items {
            type Ok = Value;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.push(value)
            }

            fn end(self) -> Result<Value> {
                Ok(self.made())
            }
        })*
    };
}

lists! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! structs {
    ($($trait:ident,)*) => {
        $(impl $trait for Entries {
            type Ok = Value;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
                self.push(key.into(), value)
            }

            fn end(self) -> Result<Value> {
                Ok(self.made())
            }
        })*
    };
}

structs! {
    SerializeStruct,
    SerializeStructVariant,
}

impl SerializeMap for Entries {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = Some(match key.serialize(Serializer)? {
            Value::String(text) => text,
            scalar @ (Value::Bool(_) | Value::Number(_)) => Str::from(format!("{scalar:?}")),
            other => {
                return Err(Error::new(Code::Type, format!("a {} cannot be a key of a map", other.type_name()))
                    .with_hint("keys are texts, numbers or bools"));
            }
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = self.key.take().unwrap_or_default();
        self.push(key, value)
    }

    fn end(self) -> Result<Value> {
        Ok(self.made())
    }
}
