//! Operations as JSON values: a number keeps, `{"delete": n}` removes, `{"insert": […]}` or `{"insert": "…"}` inserts.

use super::{Content, Operation, Step};
use crate::error::{Code, Error, Result};
use crate::value::{Str, Value};

impl Operation {
    /// The JSON form: `[2, {"insert": "x"}, {"delete": 1}]`.
    pub fn to_value(&self) -> Value {
        let field = |key: &str, value: Value| -> Value { [(Str::from(key), value)].into_iter().collect() };
        let number = |n: usize| Value::from(u64::try_from(n).unwrap_or(u64::MAX));
        let step = |step: &Step| match step {
            Step::Retain(n) => number(*n),
            Step::Insert(content) => field("insert", content.to_value()),
            Step::Delete(n) => field("delete", number(*n)),
            Step::Replace(n, content) => [("insert", content.to_value()), ("delete", number(*n))].into_iter().collect(),
        };
        self.steps().iter().map(step).collect::<Vec<Value>>().into()
    }

    /// Reads the JSON form. A step may hold both, for a replacement.
    ///
    /// # Errors
    /// [`Code::Message`] where it is none.
    pub fn from_value(value: &Value) -> Result<Operation> {
        let bad = |why: &str| Error::new(Code::Message, format!("malformed operation: {why}"));
        // 32 bits on every target: a browser must not refuse what a server accepts.
        let count = |value: &Value| {
            let length = value.as_u64().and_then(|n| u32::try_from(n).ok()).and_then(|n| usize::try_from(n).ok());
            length.ok_or_else(|| bad("a length is a whole number of at most 32 bits"))
        };
        let mut steps = Vec::new();
        for step in value.as_list().ok_or_else(|| bad("it is a list of steps"))?.iter() {
            let Some(map) = step.as_map() else {
                steps.push(Step::Retain(count(step)?));
                continue;
            };
            if map.is_empty() || map.keys().any(|key| !matches!(key.as_str(), "insert" | "delete")) {
                return Err(bad("a step is a number, `insert` or `delete`"));
            }
            if let Some(value) = map.get("insert") {
                steps.push(Step::Insert(Content::of(value).ok_or_else(|| bad("only items or text can be inserted"))?));
            }
            if let Some(value) = map.get("delete") {
                steps.push(Step::Delete(count(value)?));
            }
        }
        Operation::new(steps)
    }
}
