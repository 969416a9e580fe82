//! Metrics as Prometheus reads them: by its own checks, by a server that scrapes, and with what is delivered for it.
use std::fs::{read_to_string, write};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::process::{Instance, Running, wait_for};
use crate::{dir, json};

/// A program of Prometheus: of the PATH, or where `scripts/install-prometheus.sh` puts it.
fn tool(name: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).unwrap_or_default();
    let found = std::env::split_paths(&paths).chain([cache.join("confmesh/prometheus/usr/bin")]);
    let found = found.map(|folder| folder.join(name)).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("`{name}` is missing: run scripts/install-prometheus.sh"))
}

/// What a check says of a text, and whether it is content.
fn checked(arguments: &[&str], dir: &Path, text: &str) -> (bool, String) {
    let mut command = Command::new(tool("promtool"));
    command.args(arguments).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (done.status.success(), said)
}

/// What a server answers: its head and its body.
fn get(url: &str, path: &str, headers: &str) -> (String, String) {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// An instance that was written to, had a write refused, and has a bound file.
fn used(dir: &Path) -> Instance {
    let instance = Instance::start(dir, &["--bind", "app.json"], &[]);
    instance.data(&["set", "app.secret_name", "hunter2"]);
    instance.data(&["set", "limit", "3"]);
    assert_ne!(instance.run(&["set", "limit", "4", "--if-version", "none"]).status, 0);
    instance
}

#[test]
fn prometheus_has_no_word_against_the_text_and_open_metrics_are_there_for_who_asks() {
    let dir = dir(&[]);
    let instance = used(dir.path());
    let (head, text) = get(&instance.url, "/metrics", "");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(checked(&["check", "metrics"], dir.path(), &text), (true, String::new()), "{text}");
    assert!(
        text.contains("# TYPE confmesh_writes_total counter")
            && text.contains("confmesh_writes_total{outcome=\"accepted\"} 2")
    );
    assert!(!text.contains("hunter2") && !text.contains("secret_name") && !text.contains("app.json"), "{text}");
    let (head, text) = get(&instance.url, "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n");
    assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(text.contains("# TYPE confmesh_writes counter") && text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn the_alerts_that_are_delivered_hold_and_every_query_of_the_dashboard_finds_a_metric() {
    let dir = dir(&[]);
    let rules = deploy().join("prometheus");
    for arguments in [["check", "rules", "confmesh.rules.yml"], ["test", "rules", "confmesh.rules.test.yml"]] {
        let (is_fine, said) = checked(&arguments, &rules, "");
        assert!(is_fine, "{said}");
    }
    let instance = used(dir.path());
    let address = instance.url.trim_start_matches("http://").to_owned();
    let scrape = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\n\
         scrape_configs: [{{job_name: shop, static_configs: [{{targets: [\"{address}\"]}}]}}]\n",
        rules.join("confmesh.rules.yml").display()
    );
    write(dir.path().join("prometheus.yml"), scrape).unwrap();
    // Prometheus has no port 0: the one that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(tool("prometheus"));
    command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"]).current_dir(dir.path());
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let server = Running::of(command);
    server.tells("Server is ready to receive web requests");
    let url = format!("http://127.0.0.1:{port}");
    let ask = |query: &str| -> Value {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        json(&get(&url, &format!("/api/v1/query?query={encoded}"), "").1)
    };
    let scraped = wait_for("the first scrape", || {
        let found = ask("confmesh_writes_total{outcome=\"accepted\"}");
        found["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    });
    assert_eq!(scraped, "2");
    assert_eq!(ask("up")["data"]["result"][0]["value"][1], "1");
    let names = json(&get(&url, "/api/v1/label/__name__/values", "").1);
    let names: Vec<&str> = names["data"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let dashboard = json(&read_to_string(deploy().join("grafana/confmesh.json")).unwrap());
    let alerts = read_to_string(rules.join("confmesh.rules.yml")).unwrap();
    let alerts = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ").map(str::to_owned));
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries: Vec<String> =
        targets.map(|target| target["expr"].as_str().unwrap().to_owned()).chain(alerts).collect();
    assert!(queries.len() > 20, "{queries:?}");
    for query in queries {
        let query = query.replace("$job", ".*").replace("$instance", ".*").replace("$__rate_interval", "1m");
        assert_eq!(ask(&query)["status"], "success", "{query}");
        for word in
            query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|w| w.starts_with("confmesh_"))
        {
            assert!(names.contains(&word), "`{word}` of `{query}` is none of {names:?}");
        }
    }
}
