//! What an address of a bus says of values for programs that are no instances.
use super::address::{check_topic, usage};
use crate::error::Result;
use crate::pattern::Pattern;

/// Values for others, as the options of an address say.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueOptions {
    /// Whether what is in force is said.
    pub publishes: bool,
    /// Whether what programs say is written.
    pub takes: bool,
    /// Whether the broker keeps the last value of each path.
    pub retains: bool,
    /// How topics, or channels, begin.
    pub prefix: String,
    /// Under whose name they are found; that of the document.
    pub tenant: Option<String>,
    /// Which paths, both ways.
    pub paths: Vec<Pattern>,
    /// As whom programs write, where there is authentication.
    pub principal: Option<String>,
}

/// The same while the options are read.
#[derive(Default)]
pub(super) struct ValueWords {
    ways: Option<(bool, bool)>,
    retains: Option<bool>,
    prefix: Option<String>,
    tenant: Option<String>,
    paths: Option<Vec<Pattern>>,
    principal: Option<String>,
    last: Option<String>,
}

impl ValueWords {
    /// Takes an option; whether it is one of these.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<bool> {
        let wrong = |what: &str| Err(usage(format!("`{name}={value}` of a bus: {what}")));
        match (name, value) {
            ("values", "publish") => self.ways = Some((true, false)),
            ("values", "take") => self.ways = Some((false, true)),
            ("values", "both") => self.ways = Some((true, true)),
            ("values", _) => return wrong("it is `publish`, `take` or `both`"),
            ("retain", "yes") => self.retains = Some(true),
            ("retain", "no") => self.retains = Some(false),
            ("retain", _) => return wrong("it is `yes` or `no`"),
            ("values-prefix", prefix) => {
                check_topic(prefix)?;
                self.prefix = Some(prefix.trim_end_matches(['/', ':']).to_owned());
            }
            ("values-paths", paths) => {
                let read = paths.split(',').map(|path| Pattern::parse(path.trim())).collect::<Result<_>>();
                self.paths = Some(read.map_err(|error| error.about("`values-paths` of a bus"))?);
            }
            ("tenant", tenant) => self.tenant = Some(tenant.to_owned()),
            ("principal", principal) => self.principal = Some(principal.to_owned()),
            _ => return Ok(false),
        }
        if name != "values" {
            self.last = Some(name.to_owned());
        }
        Ok(true)
    }

    /// What they come to; none where no values are asked for.
    pub(super) fn options(self, is_mqtt: bool) -> Result<Option<ValueOptions>> {
        let Some((publishes, takes)) = self.ways else {
            return match self.last {
                None => Ok(None),
                Some(name) => Err(usage(format!("the option `{name}` of a bus is about values for others"))
                    .with_hint("add `values=publish`, `values=take` or `values=both`")),
            };
        };
        if !is_mqtt && self.retains.is_some() {
            return Err(usage("Redis keeps nothing of what is published: `retain` is an option for MQTT"));
        }
        let everything = || Ok(vec![Pattern::parse("**")?]);
        let prefix = if is_mqtt { "apg/config" } else { "apg:config:sync" };
        Ok(Some(ValueOptions {
            publishes,
            takes,
            retains: is_mqtt && self.retains.unwrap_or(true),
            prefix: self.prefix.unwrap_or_else(|| prefix.to_owned()),
            tenant: self.tenant,
            paths: self.paths.map_or_else(everything, Ok)?,
            principal: self.principal,
        }))
    }
}
