//! Which option each setting stands for, and what presets say.
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::path::Path;
use crate::schema::Schema;
use crate::value::Value;

/// Each setting by its path, with the option that it stands for.
const OPTIONS: [(&str, &str); 48] = [
    ("preset", "preset"),
    ("bind", "bind"),
    ("files", "file"),
    ("source", "source"),
    ("env", "env"),
    ("data_dir", "data-dir"),
    ("policy", "policy"),
    ("strategy", "rule"),
    ("secrets", "secret"),
    ("schema", "schema"),
    ("profiles", "profile"),
    ("interpolate", "interpolate"),
    ("invalid_variables", "invalid-variables"),
    ("log_level", "log-level"),
    ("log_format", "log-format"),
    ("server.enable", "no-listen"),
    ("server.listen", "listen"),
    ("server.allow_origins", "allow-origin"),
    ("server.allow_hosts", "allow-host"),
    ("server.behind_proxy", "behind-proxy"),
    ("server.trusted_proxies", "trusted-proxy"),
    ("server.tls.cert", "tls-cert"),
    ("server.tls.key", "tls-key"),
    ("server.tls.client_ca", "tls-client-ca"),
    ("server.tls.ca", "tls-ca"),
    ("auth.file", "auth"),
    ("auth.required", "require-auth"),
    ("rate_limit.requests_per_minute", "rate-limit"),
    ("rate_limit.block_duration", "rate-limit-block"),
    ("rate_limit.burst", "rate-limit-burst"),
    ("rate_limit.whitelist_local", "rate-limit-local"),
    ("sync.peers", "peer"),
    ("bus", "bus"),
    ("sync.token_file", "token-file"),
    ("sync.heartbeat", "heartbeat"),
    ("sync.found_after", "found-after"),
    ("sync.old_after", "old-after"),
    ("sync.settle", "settle"),
    ("history.max_versions", "history-versions"),
    ("history.max_age", "history-age"),
    ("history.max_bytes", "history-bytes"),
    ("health.stale_after", "stale-after"),
    ("encrypt.key_file", "encrypt-key-file"),
    ("webhook.secret_file", "webhook-secret-file"),
    ("webhook.paths", "webhook-paths"),
    ("notify.urls", "notify-url"),
    ("notify.secret_file", "notify-secret-file"),
    ("notify.command", "notify-command"),
];

/// The settings whose options say the opposite.
const TURNED: [&str; 2] = ["server.enable", "rate_limit.whitelist_local"];

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub path: &'static str,
    /// Without the dashes.
    pub option: &'static str,
}

/// Every setting.
pub(super) fn settings() -> impl Iterator<Item = Setting> {
    OPTIONS.into_iter().map(|(path, option)| Setting { path, option })
}

/// What settings have to look like.
pub(super) fn schema() -> Result<Schema> {
    Schema::from_value(&parse(include_str!("settings.yaml"), Format::Yaml)?)
}

/// What the other settings are where nothing else says.
pub(super) fn preset(name: &str) -> Result<Value> {
    let text = match name {
        "single" => r#"{"server": {"enable": false}, "history": {"max_versions": 10}}"#,
        "ha-addon" => {
            r#"{"server": {"enable": false}, "sync": {"heartbeat": 30000}, "history": {"max_versions": 10},
                "rate_limit": {"requests_per_minute": 60, "block_duration": "120s", "burst": 10}}"#
        }
        "development" => {
            r#"{"sync": {"heartbeat": 10000}, "history": {"max_versions": 50},
                "rate_limit": {"requests_per_minute": 120, "block_duration": "30s", "burst": 10}}"#
        }
        "production" => {
            r#"{"sync": {"heartbeat": 60000}, "history": {"max_versions": 20}, "log_format": "json", "auth": {"required": true},
                "rate_limit": {"requests_per_minute": 30, "block_duration": "300s", "burst": 10}}"#
        }
        _ => {
            return Err(Error::new(Code::Usage, format!("`{name}` is no preset"))
                .with_hint("presets are single, ha-addon, development and production"));
        }
    };
    parse(text, Format::Json)
}

impl Setting {
    /// The place in a document of settings.
    pub fn place(self) -> Result<Path> {
        Path::parse(self.path)
    }

    /// A value as arguments of the command.
    pub fn arguments(self, value: &Value) -> Result<Vec<String>> {
        let option = self.option;
        let one = |value: &Value| Ok(format!("--{option}={}", text(value)?));
        Ok(match value {
            Value::Bool(is_on) => {
                let is_on = *is_on != TURNED.contains(&self.path);
                is_on.then(|| format!("--{option}")).into_iter().collect()
            }
            Value::List(items) if option == "interpolate" || option == "webhook-paths" => {
                let items: Vec<String> = items.iter().map(text).collect::<Result<_>>()?;
                vec![format!("--{option}={}", items.join(","))]
            }
            Value::List(items) if option == "source" => {
                items.iter().map(|item| Ok(format!("--{option}={}", source(item)?))).collect::<Result<_>>()?
            }
            Value::List(items) => items.iter().map(one).collect::<Result<_>>()?,
            Value::Map(rules) => {
                let rule = |(pattern, strategy): (&_, &Value)| Ok(format!("--{option}={pattern}={}", text(strategy)?));
                rules.iter().map(rule).collect::<Result<_>>()?
            }
            Value::Null => Vec::new(),
            value => vec![one(value)?],
        })
    }
}

fn text(value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(is_on) => Ok(is_on.to_string()),
        _ => Err(Error::new(Code::Type, "expected a text or a number")),
    }
}

/// A source as a map, in the form of `--source`.
fn source(item: &Value) -> Result<String> {
    let Some(map) = item.as_map() else { return text(item) };
    let wrong = |message: String| {
        let hint = "a source is a map such as `{type: http, url: \"https://…\", interval: 10s}`";
        Error::new(Code::Invalid, message).with_hint(hint)
    };
    let kind = item.child("type").and_then(Value::as_str).ok_or_else(|| wrong("a source has no `type`".to_owned()))?;
    let key = match kind {
        "file" | "dotenv" => "path",
        "env" => "prefix",
        "http" | "https" => "url",
        "exec" => "command",
        _ => return Err(wrong(format!("`{kind}` is no type of source"))),
    };
    let place = item.child(key).and_then(Value::as_str);
    let place = place.ok_or_else(|| wrong(format!("a source of type `{kind}` has no `{key}`")))?;
    let place = place.replace(';', "\\;");
    let mut spec = if key == "url" { place } else { format!("{kind}:{place}") };
    for (name, value) in map.iter().filter(|(name, _)| name.as_str() != "type" && name.as_str() != key) {
        let name = name.as_str().replace('_', "-");
        match value {
            Value::Bool(false) | Value::Null => {}
            Value::Bool(true) => spec.push_str(&format!(";{name}")),
            value => spec.push_str(&format!(";{name}={}", text(value)?)),
        }
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::native::cli::arguments::Arguments;

    #[test]
    fn every_option_of_serve_is_a_setting_and_every_setting_is_declared() {
        let command = Arguments::command();
        let serve = command.find_subcommand("serve").unwrap();
        let elsewhere = ["config", "json", "help"];
        let options =
            serve.get_arguments().filter(|argument| !argument.is_hide_set()).filter_map(|argument| argument.get_long());
        let mut options: Vec<&str> = options.filter(|name| !elsewhere.contains(name)).collect();
        let mut known: Vec<&str> = settings().map(|setting| setting.option).collect();
        options.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, options);
        let schema = schema().unwrap();
        let declared = schema.named_variables();
        for setting in settings().filter(|setting| setting.path != "interpolate") {
            let place = setting.place().unwrap();
            let variable = declared.iter().find(|(path, _)| *path == place).map(|(_, name)| name.to_string());
            let name = setting.path.trim_start_matches("server.").replace('.', "_").to_ascii_uppercase();
            assert_eq!(variable, Some(format!("CONFMESH_{name}")), "{}", setting.path);
        }
    }

    #[test]
    fn presets_hold_to_the_schema() {
        for name in ["single", "ha-addon", "development", "production"] {
            assert_eq!(schema().unwrap().validate(&preset(name).unwrap(), |_| None), [], "{name}");
        }
        assert!(preset("prod").unwrap_err().hint().unwrap().contains("production"));
    }

    #[test]
    fn a_source_may_be_a_map() {
        let spec = |text: &str| source(&parse(text, Format::Json).unwrap()).map_err(|error| error.message().to_owned());
        assert_eq!(spec(r#""env:APP""#).unwrap(), "env:APP");
        let http = r#"{"type": "http", "url": "https://a/b", "interval": "10s", "optional": true, "secret": false}"#;
        assert_eq!(spec(http).unwrap(), "https://a/b;interval=10s;optional");
        assert_eq!(spec(r#"{"type": "file", "path": "a;b", "priority": 3}"#).unwrap(), "file:a\\;b;priority=3");
        assert_eq!(spec(r#"{"type": "file"}"#).unwrap_err(), "a source of type `file` has no `path`");
        assert_eq!(spec(r#"{"type": "ftp", "url": "x"}"#).unwrap_err(), "`ftp` is no type of source");
    }
}
