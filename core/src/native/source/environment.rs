//! The environment of the process as a source.
use std::ffi::OsString;

use crate::error::{Code, Error};

/// The variables of one prefix at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// Full names and values, ordered by name.
    pub variables: Vec<(String, String)>,
    /// One error per variable of the prefix that was left out because it is not UTF-8.
    pub warnings: Vec<Error>,
}

/// Reads the variables of the process whose names start with `prefix` and `_`; all of them where `prefix` is empty.
///
/// `DEMO` finds `DEMO_PORT` and `DEMO_DB__HOST`, but neither `DEMO` nor `DEMOCRACY`.
pub fn variables(prefix: &str) -> Variables {
    select(prefix, std::env::vars_os())
}

fn select(prefix: &str, variables: impl Iterator<Item = (OsString, OsString)>) -> Variables {
    let wanted =
        |name: &str| prefix.is_empty() || name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).is_some();
    let mut found = Variables::default();
    for (name, value) in variables {
        // What stands before a byte that is no UTF-8 decides whether the name was meant for us.
        let shown = name.to_string_lossy().into_owned();
        if !wanted(&shown) {
            continue;
        }
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => found.variables.push((name, value)),
            _ => found.warnings.push(
                Error::new(Code::Syntax, format!("the environment variable `{shown}` is not UTF-8 and was left out"))
                    .with_hint("set it to UTF-8 text"),
            ),
        }
    }
    found.variables.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prefix: &str, names: &[&str]) -> Vec<String> {
        let found = select(prefix, names.iter().map(|name| (name.into(), "value".into())));
        assert_eq!(found.warnings, []);
        found.variables.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn only_the_variables_of_the_prefix_are_taken_in_order() {
        let all = ["DEMO_PORT", "DEMO", "DEMOCRACY", "demo_x", "DEMO_DB__HOST", "PATH"];
        assert_eq!(names("DEMO", &all), ["DEMO_DB__HOST", "DEMO_PORT"]);
        assert_eq!(names("", &all).len(), all.len());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_not_utf8_is_left_out_with_a_warning() {
        use std::os::unix::ffi::OsStringExt;
        let bad = || OsString::from_vec(b"\xff".to_vec());
        let bad_name = OsString::from_vec(b"DEMO_\xff".to_vec());
        let all =
            [("DEMO_A".into(), "1".into()), ("DEMO_B".into(), bad()), (bad_name, "1".into()), ("X".into(), bad())];
        let found = select("DEMO", all.into_iter());
        assert_eq!(found.variables, [("DEMO_A".to_owned(), "1".to_owned())]);
        let warnings: Vec<_> = found.warnings.iter().map(Error::message).collect();
        assert!(warnings[0].contains("`DEMO_B` is not UTF-8"), "{warnings:?}");
        assert_eq!(warnings.len(), 2);
    }

    #[test]
    fn the_environment_of_the_process_is_read() {
        let expected = std::env::vars_os().filter(|(name, value)| name.to_str().is_some() && value.to_str().is_some());
        assert_eq!(variables("").variables.len(), expected.count());
    }
}
