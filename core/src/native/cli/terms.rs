//! How a write is made: under a condition, by force, under a lock's token, in somebody's name.
use clap::Args;

use super::client::encode;

#[derive(Debug, Default, Args)]
pub(super) struct Terms {
    /// Write only if this is the version of the path, as `confmesh get PATH --version` prints it; `none` where nothing is.
    #[arg(long, value_name = "VERSION")]
    pub if_version: Option<String>,
    /// Write over a value whose rule keeps the first one.
    #[arg(long)]
    pub force: bool,
    /// The token of the lock that you hold. Default: the variable CONFMESH_FENCE, which `confmesh lock` sets.
    #[arg(long, value_name = "TOKEN")]
    pub fence: Option<u64>,
    /// Who you are, for those who look at conflicts.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Why, for those who look at the history; at most 512 bytes.
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
}

impl Terms {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.if_version.is_none()
            && !self.force
            && self.fence.is_none()
            && self.user.is_none()
            && self.message.is_none()
    }

    /// The target of the request, with what its query says of the write.
    pub fn target(&self, target: &str) -> String {
        let mut target = target.to_owned();
        let mut add = |name: &str, value: &str| {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(name);
            target.push('=');
            encode(value, &mut target);
        };
        if self.force {
            add("force", "true");
        }
        if let Some(fence) = self.fence.or_else(held) {
            add("fence", &fence.to_string());
        }
        if let Some(user) = &self.user {
            add("user", user);
        }
        if let Some(message) = &self.message {
            add("message", message);
        }
        target
    }

    /// The header that carries the condition, if there is one.
    pub fn condition(&self) -> Option<(&'static str, String)> {
        self.if_version.as_deref().map(|version| match version {
            "none" => ("if-none-match", "*".to_owned()),
            version => ("if-match", format!("\"{version}\"")),
        })
    }
}

/// The token of the lock that this runs under.
fn held() -> Option<u64> {
    std::env::var("CONFMESH_FENCE").ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_become_a_query_and_a_header() {
        let terms = Terms {
            if_version: Some("a-1".to_owned()),
            force: true,
            fence: Some(7),
            user: Some("a b".to_owned()),
            message: None,
        };
        assert_eq!(terms.target("/x"), "/x?force=true&fence=7&user=a%20b");
        let why = Terms { message: Some("a&b".to_owned()), ..Terms::default() };
        assert_eq!(why.target("/x"), "/x?message=a%26b");
        assert_eq!(terms.target("/x?path=a"), "/x?path=a&force=true&fence=7&user=a%20b");
        assert_eq!(terms.condition(), Some(("if-match", "\"a-1\"".to_owned())));
        assert_eq!((Terms::default().target("/x"), Terms::default().condition()), ("/x".to_owned(), None));
    }
}
