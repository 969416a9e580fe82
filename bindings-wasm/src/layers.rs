//! Layers as programs write them: `{id, priority?, value | text + format? | env: {prefix, variables}, strategy?, unset?}`.

use confmesh::format::Format;
use confmesh::merge::{Layer, Merged, merge, priority};
use confmesh::{Code, Error, Path, Policy, Result, Value};

/// Merges a list of layers under a list of rules (`null` for none).
pub fn merged(layers: &Value, rules: &Value) -> Result<Merged> {
    let policy = if *rules == Value::Null { Policy::default() } else { Policy::from_value(rules)? };
    let list = layers.as_list().ok_or_else(|| usage("the layers are a list"))?;
    let layers: Vec<Layer> = list
        .iter()
        .enumerate()
        .map(|(at, item)| layer(at, item).map_err(|error| located(error, at)))
        .collect::<Result<_>>()?;
    Ok(merge(&layers, &policy))
}

fn layer(at: usize, input: &Value) -> Result<Layer> {
    let text = |name: &str| input.child(name).map(|value| string(value, name)).transpose();
    let id = text("id")?.map_or_else(|| format!("layer {}", at + 1), str::to_owned);
    let level = |default: i32| match input.child("priority") {
        None => Ok(default),
        Some(value) => value
            .as_i64()
            .and_then(|priority| i32::try_from(priority).ok())
            .ok_or_else(|| usage("`priority` is a small whole number; lower wins")),
    };
    let mut layer = if let Some(env) = input.child("env") {
        variables(env)?.with_priority(level(priority::ENV)?)
    } else if let Some(source) = text("text")? {
        let format = match text("format")? {
            Some(name) => Format::from_name(name)?,
            None => Format::from_path(id.as_str()).unwrap_or(Format::Json),
        };
        Layer::from_text(id, level(priority::FILE)?, source, format)?
    } else {
        let value = input.child("value").ok_or_else(|| {
            usage("a layer has a `value`, a `text` or an `env`")
                .with_hint("for example {id: \"defaults\", priority: 30, value: {rate_limit: 100}}")
        })?;
        if value.as_map().is_none() {
            return Err(Error::new(Code::NotAMap, format!("the layer `{id}` is a map, found {}", value.type_name())));
        }
        Layer::new(id, level(priority::FILE)?, value.clone())
    };
    if let Some(strategy) = text("strategy")? {
        layer = layer.with_strategy(strategy.parse()?);
    }
    for path in input.child("unset").and_then(Value::as_list).into_iter().flatten() {
        layer = layer.with_unset(Path::parse(string(path, "unset")?)?);
    }
    Ok(layer)
}

fn variables(env: &Value) -> Result<Layer> {
    let prefix = env.child("prefix").map(|prefix| string(prefix, "env.prefix")).transpose()?.unwrap_or_default();
    let given = env.child("variables").and_then(Value::as_map);
    let given = given.ok_or_else(|| usage("`env.variables` maps names to strings"))?;
    let pairs = given.iter().map(|(name, value)| Ok((name.to_string(), string(value, name)?.to_owned())));
    Layer::from_env(prefix, pairs.collect::<Result<Vec<_>>>()?)
}

fn string<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value.as_str().ok_or_else(|| usage(&format!("`{name}` is a string, found {}", value.type_name())))
}

fn usage(message: &str) -> Error {
    Error::new(Code::Usage, message)
}

/// Names the layer that is to blame, where the error names no place yet.
fn located(error: Error, at: usize) -> Error {
    if error.origin().is_some() || error.code() != Code::Usage {
        return error;
    }
    error.with_path(Path::root().child("layers").child(&at.to_string()))
}
