//! The files of the demo, and what it tells to try.
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::super::output::{CORRECTABLE, Stop};
use crate::error::{Code, Error};
use crate::native::io_error::failure;

/// What overrides a value on the first instance only.
pub(super) const VARIABLE: &str = "DEMO_LOG_LEVEL";
pub(super) const VARIABLE_VALUE: &str = "debug";
/// Variables that steer the demo itself.
pub(super) const STEERING: [&str; 3] = ["DEMO_OPEN", "DEMO_PORT", "DEMO_DIR"];

/// The file of the first instance.
pub(super) const JSON: &str = r#"{
  "app": {
    "name": "orders",
    "rate_limit": 100,
    "maintenance": false
  },
  "log_level": "info",
  "features": {
    "dark_mode": true,
    "new_checkout": false
  },
  "database": {
    "host": "db.internal",
    "port": 5432,
    "pool_size": 10,
    "replicas": ["db-1.internal", "db-2.internal"]
  }
}
"#;

/// The file of the second one: the same content, in another format and with the comments of its author.
pub(super) const YAML: &str = "\
# The orders service. Edit this file: instance a follows, and these comments stay.
app:
  name: orders
  rate_limit: 100 # requests per second and client
  maintenance: false

log_level: info # error, warn, info or debug

features:
  dark_mode: true
  new_checkout: false # waiting for the payment team

database:
  host: db.internal
  port: 5432
  pool_size: 10
  replicas:
    - db-1.internal
    - db-2.internal
";

/// The directory of one demo.
pub(super) struct Place {
    root: PathBuf,
}

impl Place {
    /// Makes the directory and both files.
    pub fn create(wanted: Option<&Path>) -> Result<Place, Stop> {
        let root = match wanted {
            Some(root) => {
                fs::create_dir_all(root).map_err(|error| correctable("create", root, &error))?;
                let mut entries = fs::read_dir(root).map_err(|error| correctable("read", root, &error))?;
                if entries.next().is_some() {
                    let message = format!("the directory `{}` is not empty", root.display());
                    return Err(Error::new(Code::Usage, message).with_hint("name one that is empty or missing").into());
                }
                fs::canonicalize(root).map_err(|error| correctable("read", root, &error))?
            }
            None => tempfile::Builder::new()
                .prefix("confmesh-demo-")
                .tempdir()
                .map_err(|error| correctable("create a directory in", &std::env::temp_dir(), &error))?
                .keep(),
        };
        let place = Place { root };
        for (name, text) in [("a", JSON), ("b", YAML)] {
            let file = place.file(name);
            let above = file.parent().unwrap_or(&place.root);
            fs::create_dir_all(above).map_err(|error| correctable("create", above, &error))?;
            fs::write(&file, text).map_err(|error| correctable("write", &file, &error))?;
        }
        Ok(place)
    }

    /// The bound file of one instance.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name).join(if name == "a" { "config.json" } else { "config.yaml" })
    }

    /// Where everything is, and what to try.
    pub fn instructions(&self, a: SocketAddr, b: SocketAddr) -> String {
        let confmesh = program();
        let (file_a, file_b) = (quoted(&self.file("a")), quoted(&self.file("b")));
        format!(
            "\
two instances share one document

  a  http://{a}  {file_a}
  b  http://{b}  {file_b}

in {}

try, in another terminal:

  {confmesh} watch --url http://{a}
  ${{EDITOR:-vi}} {file_b}
  {confmesh} set app.rate_limit 250 --url http://{b}
  {confmesh} explain log_level --url http://{a}   # {VARIABLE}={VARIABLE_VALUE} decides it here
  {confmesh} explain log_level --url http://{b}   # and the file here

Ctrl-C ends the demo.
",
            quoted(&self.root)
        )
    }
}

fn correctable(verb: &str, path: &Path, error: &std::io::Error) -> Stop {
    Stop::Error(failure(Code::File, verb, path, error), CORRECTABLE)
}

/// What to type for this program: its name where the shell finds it, else its path.
fn program() -> String {
    let Ok(exe) = std::env::current_exe().and_then(fs::canonicalize) else { return "confmesh".to_owned() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("confmesh")).find(|candidate| candidate.is_file());
    let is_found = found.and_then(|found| fs::canonicalize(found).ok()).is_some_and(|found| found == exe);
    if is_found { "confmesh".to_owned() } else { quoted(&exe) }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Format, parse};

    #[test]
    fn both_files_say_the_same_so_that_nothing_is_set_aside() {
        assert_eq!(parse(JSON, Format::Json).unwrap(), parse(YAML, Format::Yaml).unwrap());
    }

    #[test]
    fn paths_with_spaces_survive_the_shell() {
        assert_eq!(quoted(Path::new("/tmp/a b/it's")), r"'/tmp/a b/it'\''s'");
        assert_eq!(quoted(Path::new("/tmp/a.json")), "/tmp/a.json");
    }
}
