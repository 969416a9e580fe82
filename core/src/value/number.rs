//! Numbers: exact 64-bit integers and finite floats, with one representation per canonical text.

use std::fmt;

/// A number. Integers of 64 bits are exact; every other number is a finite double.
///
/// A double whose shortest decimal form (ECMAScript, RFC 8785) is an integer of 64 bits *is* that integer: `1.0` equals
/// `1`. So two numbers are equal exactly if their canonical texts are.
#[derive(Clone, Copy, PartialEq)]
pub struct Number(Repr);

#[derive(Clone, Copy, PartialEq)]
enum Repr {
    Int(i64),
    /// Above `i64::MAX` only.
    UInt(u64),
    /// Finite, and its shortest form is no 64-bit integer.
    Float(f64),
}

impl Eq for Number {}

/// Integral doubles below this print as themselves, digit for digit.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Number {
    /// The number nearest to what the caller wrote; `None` for NaN and infinities, which no format here can carry.
    pub fn from_f64(float: f64) -> Option<Number> {
        if !float.is_finite() {
            return None;
        }
        if float.fract() == 0.0 && float.abs() < 2e19 {
            if float.abs() < EXACT {
                return Some(Number(Repr::Int(float as i64)));
            }
            let mut buffer = ryu_js::Buffer::new();
            let digits = buffer.format_finite(float);
            if let Ok(int) = digits.parse::<i64>() {
                return Some(Number(Repr::Int(int)));
            }
            if let Ok(int) = digits.parse::<u64>() {
                return Some(Number(Repr::UInt(int)));
            }
        }
        Some(Number(Repr::Float(float)))
    }

    /// Whether it is an integer of 64 bits.
    pub fn is_integer(&self) -> bool {
        !matches!(self.0, Repr::Float(_))
    }

    /// The integer, if it is one and fits.
    pub fn as_i64(&self) -> Option<i64> {
        if let Repr::Int(i) = self.0 { Some(i) } else { None }
    }

    /// The integer, if it is one and not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self.0 {
            Repr::Int(i) => u64::try_from(i).ok(),
            Repr::UInt(u) => Some(u),
            Repr::Float(_) => None,
        }
    }

    /// The nearest double.
    pub fn as_f64(&self) -> f64 {
        match self.0 {
            Repr::Int(i) => i as f64,
            Repr::UInt(u) => u as f64,
            Repr::Float(f) => f,
        }
    }
}

impl From<i64> for Number {
    fn from(int: i64) -> Number {
        Number(Repr::Int(int))
    }
}

impl From<u64> for Number {
    fn from(int: u64) -> Number {
        Number(i64::try_from(int).map_or(Repr::UInt(int), Repr::Int))
    }
}

impl fmt::Display for Number {
    /// The canonical form: integers in full, floats as RFC 8785 section 3.2.2.3 says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Int(i) => write!(f, "{i}"),
            Repr::UInt(u) => write!(f, "{u}"),
            Repr::Float(x) => f.write_str(ryu_js::Buffer::new().format_finite(x)),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_double_that_prints_as_an_integer_is_that_integer() {
        for (float, text) in [
            (1.0, "1"),
            (-0.0, "0"),
            (1e16, "10000000000000000"),
            (1_152_921_504_606_846_976.0, "1152921504606847000"),
            (1.8e19, "18000000000000000000"),
            (1.9e19, "19000000000000000000"),
            (1e21, "1e+21"),
            (0.1, "0.1"),
            (-2.5e-7, "-2.5e-7"),
        ] {
            let number = Number::from_f64(float).unwrap();
            assert_eq!(number.to_string(), text);
            assert_eq!(number.is_integer(), text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok(), "{text}");
        }
        assert_eq!(Number::from_f64(f64::NAN), None);
        assert_eq!(Number::from_f64(f64::INFINITY), None);
    }
}
