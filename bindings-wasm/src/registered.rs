//! The algebra and its schemas, registered.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::algebra::{self, Checked};
use crate::convert::{Outcome, thrown};

#[wasm_bindgen]
extern "C" {
    /// A function of the program, by number and the JSON text of a value; it never throws.
    pub type Ask;

    #[wasm_bindgen(method, structural)]
    fn call(this: &Ask, receiver: &JsValue, number: u32, value: &str) -> Option<String>;
}

/// What a check of the program says of a value.
pub fn asking(ask: &Ask) -> impl Fn(u32, &str) -> Option<String> {
    |number, value| ask.call(&JsValue::UNDEFINED, number, value)
}

/// A schema with the patterns of the program's checks.
#[wasm_bindgen]
pub struct NativeSchema(Checked);

#[wasm_bindgen]
impl NativeSchema {
    /// Reads a definition and a list of patterns.
    #[wasm_bindgen(constructor)]
    pub fn new(definition: &str, patterns: &str) -> Outcome<NativeSchema> {
        Checked::new(definition, patterns).map(NativeSchema).map_err(thrown)
    }

    /// `mergeText` under the schema.
    #[wasm_bindgen(js_name = mergeText)]
    pub fn merge_text(
        &self,
        layers: &str,
        texts: Vec<String>,
        options: &str,
        brief: bool,
        ask: &Ask,
    ) -> Outcome<String> {
        self.0.merge(layers, texts, options, brief, &asking(ask)).map_err(thrown)
    }

    /// `explainText` under the schema.
    #[wasm_bindgen(js_name = explainText)]
    pub fn explain_text(
        &self,
        layers: &str,
        texts: Vec<String>,
        path: &str,
        options: &str,
        ask: &Ask,
    ) -> Outcome<String> {
        self.0.explain(layers, texts, path, options, &asking(ask)).map_err(thrown)
    }

    /// Every problem of a document.
    #[wasm_bindgen]
    pub fn validate(&self, document: &str, ask: &Ask) -> Outcome<String> {
        self.0.validate(document, &asking(ask)).map_err(thrown)
    }

    /// Every problem of the document in a text, with its place.
    #[wasm_bindgen(js_name = validateText)]
    pub fn validate_text(&self, text: &str, format: &str, source: &str, ask: &Ask) -> Outcome<String> {
        self.0.validate_text(text, format, source, &asking(ask)).map_err(thrown)
    }

    /// The document with its defaults, if it is valid then.
    #[wasm_bindgen]
    pub fn load(&self, document: &str, ask: &Ask) -> Outcome<String> {
        self.0.load(document, &asking(ask)).map_err(thrown)
    }

    /// The document with its defaults.
    #[wasm_bindgen]
    pub fn defaults(&self, document: &str) -> Outcome<String> {
        self.0.defaults(document).map_err(thrown)
    }

    /// The document without undeclared keys.
    #[wasm_bindgen]
    pub fn known(&self, document: &str) -> Outcome<String> {
        self.0.known(document).map_err(thrown)
    }

    /// `{value, warnings}` of variables with a prefix.
    #[wasm_bindgen]
    pub fn coerce(&self, prefix: &str, variables: &str) -> Outcome<String> {
        self.0.coerce(prefix, variables).map_err(thrown)
    }

    /// The document as variables by name.
    #[wasm_bindgen(js_name = toEnv)]
    pub fn to_env(&self, prefix: &str, document: &str) -> Outcome<String> {
        self.0.to_env(prefix, document).map_err(thrown)
    }

    /// The text of a file to start from.
    #[wasm_bindgen]
    pub fn initial(&self, format: &str) -> Outcome<String> {
        self.0.initial(format).map_err(thrown)
    }

    /// What the schema says and nobody checks.
    #[wasm_bindgen]
    pub fn notes(&self) -> String {
        self.0.notes()
    }

    /// Every field, written in a style.
    #[wasm_bindgen]
    pub fn reference(&self, style: &str, options: &str) -> Outcome<String> {
        self.0.reference(style, options).map_err(thrown)
    }
}

/// `{value, provenance, warnings}` of a list of layers, or with `brief` the value alone.
#[wasm_bindgen(js_name = mergeText)]
pub fn merge_text(layers: &str, texts: Vec<String>, options: &str, brief: bool) -> Outcome<String> {
    algebra::merge(layers, texts, options, brief).map_err(thrown)
}

/// The explanation of one path of a list of layers.
#[wasm_bindgen(js_name = explainText)]
pub fn explain_text(layers: &str, texts: Vec<String>, path: &str, options: &str) -> Outcome<String> {
    algebra::explain(layers, texts, path, options).map_err(thrown)
}

/// `{value, errors}` of a document with references.
#[wasm_bindgen(js_name = interpolateText)]
pub fn interpolate_text(document: &str, variables: &str) -> Outcome<String> {
    algebra::interpolate_text(document, variables).map_err(thrown)
}

/// `[{name, value}]`: the base of a document with profiles, then what is active.
#[wasm_bindgen(js_name = profilesText)]
pub fn profiles_text(document: &str, active: &str) -> Outcome<String> {
    algebra::profiles(document, active).map_err(thrown)
}

/// Settles competing changes of one key.
#[wasm_bindgen(js_name = resolveText)]
pub fn resolve_text(key: &str, changes: &str, strategy: &str) -> Outcome<String> {
    algebra::resolve(key, changes, strategy).map_err(thrown)
}

/// `{value, disagreements}` of those who have seen these deltas.
#[wasm_bindgen(js_name = viewDeltasText)]
pub fn view_deltas_text(deltas: &str) -> Outcome<String> {
    algebra::view_deltas(deltas).map_err(thrown)
}

/// The operation from one list or text to another.
#[wasm_bindgen(js_name = sequenceBetween)]
pub fn sequence_between(old: &str, new: &str) -> Outcome<String> {
    algebra::sequence_between(old, new).map_err(thrown)
}

/// A list or text with an operation applied.
#[wasm_bindgen(js_name = sequenceApply)]
pub fn sequence_apply(operation: &str, value: &str) -> Outcome<String> {
    algebra::sequence_apply(operation, value).map_err(thrown)
}

/// One operation for two that follow one another.
#[wasm_bindgen(js_name = sequenceCompose)]
pub fn sequence_compose(first: &str, second: &str) -> Outcome<String> {
    algebra::sequence_compose(first, second).map_err(thrown)
}

/// The operation that takes one back.
#[wasm_bindgen(js_name = sequenceInvert)]
pub fn sequence_invert(operation: &str, before: &str) -> Outcome<String> {
    algebra::sequence_invert(operation, before).map_err(thrown)
}

/// An operation carried over another one.
#[wasm_bindgen(js_name = sequenceTransform)]
pub fn sequence_transform(operation: &str, over: &str, side: &str) -> Outcome<String> {
    algebra::sequence_transform(operation, over, side).map_err(thrown)
}
