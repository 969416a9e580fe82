//! What tests of random input share: a count of cases from outside, and a generator that a printed number starts again.

use confmesh::Value;
use confmesh::value::Number;

/// How many random cases a property tries; the variable `CONFMESH_CASES` of the build overrides it.
pub fn cases(default: u64) -> u64 {
    option_env!("CONFMESH_CASES").and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Random(u64);

impl Random {
    /// The sequence that a seed starts.
    pub fn of(seed: u64) -> Random {
        Random(seed)
    }

    /// A number below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap_or(0) % bound.max(1)
    }

    /// One of several.
    ///
    /// # Panics
    /// Where there is none.
    #[allow(clippy::indexing_slicing, reason = "a test that picks from nothing is wrong")]
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A scalar, often one that a format has to spell with care; texts hold no line break.
    pub fn scalar(&mut self) -> Value {
        match self.below(8) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 0),
            2 => Value::from(i64::try_from(self.below(2_000)).unwrap_or(0) - 1_000),
            3 => Number::from_f64(self.below(1 << 30) as f64 / 64.0).map_or(Value::Null, Value::from),
            4 => self.pick(&[Value::from(u64::MAX), i64::MIN.into(), i64::MAX.into(), 0.into()]).clone(),
            _ => Value::from(self.text().as_str()),
        }
    }

    /// A text in one line.
    pub fn text(&mut self) -> String {
        let odd = [
            "", "no", "1", "null", "a: b", "# c", " x", "y ", "'", "\"", "\\", "$v", "*a", "&a", "é😀", "[", "- a",
            "x=y", "; z", "~",
        ];
        (0..1 + self.below(2)).map(|_| *self.pick(&odd)).collect()
    }

    /// A document: a map, nested up to `depth` levels.
    pub fn document(&mut self, depth: usize) -> Value {
        (0..self.below(5)).map(|_| (self.key(), self.value(depth.saturating_sub(1)))).collect()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 1 } else { 4 }) {
            1 => self.document(depth),
            2 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect::<Vec<_>>().into(),
            _ => self.scalar(),
        }
    }

    fn key(&mut self) -> String {
        (*self.pick(&["a", "b", "c", "d", "e", "host", "key_1", "a b", "a.b", "é", "~", "no"])).to_owned()
    }

    /// The document with up to `edits` changes in it.
    pub fn edited(&mut self, document: &Value, edits: usize) -> Value {
        (0..1 + self.below(edits)).fold(document.clone(), |value, _| {
            let paths = crate::fuzz::paths(&value, 64);
            let path = self.pick(&paths).clone();
            match self.below(4) {
                0 if !path.is_root() => value.without(&path),
                1 if value.at(&path).is_some_and(|at| at.as_map().is_some()) => {
                    value.with(&path.child(&self.key()), self.value(2))
                }
                _ if path.is_root() => self.document(2),
                _ => value.with(&path, self.value(2)),
            }
        })
    }
}
