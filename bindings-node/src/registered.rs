//! The algebra and its schemas, registered.

use napi::bindgen_prelude::{FnArgs, Function};
use napi_derive::napi;

use crate::algebra::{self, Checked};
use crate::error::run;

/// A function of the program, by number and the JSON text of a value; it never throws.
type Ask<'a> = Function<'a, FnArgs<(u32, String)>, Option<String>>;

fn asking(ask: &Ask<'_>) -> impl Fn(u32, &str) -> Option<String> {
    |number, value| ask.call((number, value.to_owned()).into()).unwrap_or_else(|error| Some(error.reason.clone()))
}

/// A schema with the patterns of the program's checks.
#[napi]
pub struct NativeSchema(Checked);

#[napi]
impl NativeSchema {
    /// Reads a definition and a list of patterns.
    #[napi(constructor)]
    pub fn new(definition: String, patterns: String) -> napi::Result<NativeSchema> {
        run(|| Checked::new(&definition, &patterns).map(NativeSchema))
    }

    /// `mergeText` under the schema.
    #[napi]
    pub fn merge_text(
        &self,
        layers: String,
        texts: Vec<String>,
        options: String,
        brief: bool,
        ask: Ask<'_>,
    ) -> napi::Result<String> {
        run(|| self.0.merge(&layers, texts, &options, brief, &asking(&ask)))
    }

    /// `explainText` under the schema.
    #[napi]
    pub fn explain_text(
        &self,
        layers: String,
        texts: Vec<String>,
        path: String,
        options: String,
        ask: Ask<'_>,
    ) -> napi::Result<String> {
        run(|| self.0.explain(&layers, texts, &path, &options, &asking(&ask)))
    }

    /// Every problem of a document.
    #[napi]
    pub fn validate(&self, document: String, ask: Ask<'_>) -> napi::Result<String> {
        run(|| self.0.validate(&document, &asking(&ask)))
    }

    /// Every problem of the document in a text, with its place.
    #[napi]
    pub fn validate_text(&self, text: String, format: String, source: String, ask: Ask<'_>) -> napi::Result<String> {
        run(|| self.0.validate_text(&text, &format, &source, &asking(&ask)))
    }

    /// The document with its defaults, if it is valid then.
    #[napi]
    pub fn load(&self, document: String, ask: Ask<'_>) -> napi::Result<String> {
        run(|| self.0.load(&document, &asking(&ask)))
    }

    /// The document with its defaults.
    #[napi]
    pub fn defaults(&self, document: String) -> napi::Result<String> {
        run(|| self.0.defaults(&document))
    }

    /// The document without undeclared keys.
    #[napi]
    pub fn known(&self, document: String) -> napi::Result<String> {
        run(|| self.0.known(&document))
    }

    /// `{value, warnings}` of variables with a prefix.
    #[napi]
    pub fn coerce(&self, prefix: String, variables: String) -> napi::Result<String> {
        run(|| self.0.coerce(&prefix, &variables))
    }

    /// The document as variables by name.
    #[napi]
    pub fn to_env(&self, prefix: String, document: String) -> napi::Result<String> {
        run(|| self.0.to_env(&prefix, &document))
    }

    /// The text of a file to start from.
    #[napi]
    pub fn initial(&self, format: String) -> napi::Result<String> {
        run(|| self.0.initial(&format))
    }

    /// What the schema says and nobody checks.
    #[napi]
    pub fn notes(&self) -> String {
        self.0.notes()
    }

    /// Every field, written in a style.
    #[napi]
    pub fn reference(&self, style: String, options: String) -> napi::Result<String> {
        run(|| self.0.reference(&style, &options))
    }
}

/// `{value, provenance, warnings}` of a list of layers, or with `brief` the value alone.
#[napi]
pub fn merge_text(layers: String, texts: Vec<String>, options: String, brief: bool) -> napi::Result<String> {
    run(|| algebra::merge(&layers, texts, &options, brief))
}

/// The explanation of one path of a list of layers.
#[napi]
pub fn explain_text(layers: String, texts: Vec<String>, path: String, options: String) -> napi::Result<String> {
    run(|| algebra::explain(&layers, texts, &path, &options))
}

/// `{value, errors}` of a document with references.
#[napi]
pub fn interpolate_text(document: String, variables: String) -> napi::Result<String> {
    run(|| algebra::interpolate_text(&document, &variables))
}

/// `[{name, value}]`: the base of a document with profiles, then what is active.
#[napi]
pub fn profiles_text(document: String, active: String) -> napi::Result<String> {
    run(|| algebra::profiles(&document, &active))
}

/// Settles competing changes of one key.
#[napi]
pub fn resolve_text(key: String, changes: String, strategy: String) -> napi::Result<String> {
    run(|| algebra::resolve(&key, &changes, &strategy))
}

/// `{value, disagreements}` of those who have seen these deltas.
#[napi]
pub fn view_deltas_text(deltas: String) -> napi::Result<String> {
    run(|| algebra::view_deltas(&deltas))
}

/// The operation from one list or text to another.
#[napi]
pub fn sequence_between(old: String, new: String) -> napi::Result<String> {
    run(|| algebra::sequence_between(&old, &new))
}

/// A list or text with an operation applied.
#[napi]
pub fn sequence_apply(operation: String, value: String) -> napi::Result<String> {
    run(|| algebra::sequence_apply(&operation, &value))
}

/// One operation for two that follow one another.
#[napi]
pub fn sequence_compose(first: String, second: String) -> napi::Result<String> {
    run(|| algebra::sequence_compose(&first, &second))
}

/// The operation that takes one back.
#[napi]
pub fn sequence_invert(operation: String, before: String) -> napi::Result<String> {
    run(|| algebra::sequence_invert(&operation, &before))
}

/// An operation carried over another one.
#[napi]
pub fn sequence_transform(operation: String, over: String, side: String) -> napi::Result<String> {
    run(|| algebra::sequence_transform(&operation, &over, &side))
}
