//! The demo, as a user starts and ends it.
use super::process::{Running, send, wait_for};
use super::{dir, json, run, run_with};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// A port that is free together with the next one.
fn two_ports() -> u16 {
    wait_for("two free ports", || {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        TcpListener::bind(("127.0.0.1", port.checked_add(1)?)).ok().map(|_| port)
    })
}

fn start(dir: &Path, port: u16) -> Running {
    let arguments = ["demo", "--port", &port.to_string(), "--no-open", "--dir", "play"];
    let demo = Running::start(dir, &arguments, &[("DEMO_OPEN", "1")]);
    demo.says("Ctrl-C ends the demo.");
    demo
}

#[test]
fn the_demo_shows_two_instances_that_agree_and_ends_cleanly() {
    for signal in ["INT", "TERM"] {
        let dir = dir(&[]);
        let port = two_ports();
        let mut demo = start(dir.path(), port);
        let (a, b) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{}", port + 1));
        let data = |arguments: &[&str], url: &str| run(dir.path(), &[arguments, &["--url", url]].concat()).data();
        assert_eq!(data(&["get", "log_level"], &a), "debug\n");
        assert_eq!(data(&["get", "log_level"], &b), "info\n");
        assert!(data(&["explain", "log_level"], &a).contains("> env:DEMO (DEMO_LOG_LEVEL)"));
        assert!(!data(&["get"], &a).contains("open"), "what steers the demo is not shown");
        data(&["set", "app.rate_limit", "250"], &b);
        wait_for("the value on a", || (data(&["get", "app.rate_limit"], &a) == "250\n").then_some(()));
        let yaml = dir.path().join("play/b/config.yaml");
        let expected = "  rate_limit: 250 # requests per second and client\n";
        let text = wait_for("the file of b", || fs::read_to_string(&yaml).ok().filter(|text| text.contains(expected)));
        assert!(text.starts_with("# The orders service."), "{text}");
        fs::write(&yaml, text.replace("name: orders", "name: sales")).unwrap();
        let file = dir.path().join("play/a/config.json");
        wait_for("the file of a", || {
            let text = fs::read_to_string(&file).unwrap();
            (json(&text)["app"]["name"] == "sales").then_some(())
        });
        let names = |side: &str| {
            let entries = fs::read_dir(dir.path().join("play").join(side)).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.retain(|name| !name.starts_with('.'));
            names
        };
        assert_eq!((names("a"), names("b")), (vec!["config.json".to_owned()], vec!["config.yaml".to_owned()]));
        demo.tells("[a] ");
        demo.tells("[b] ");
        let begun = Instant::now();
        demo.signal(signal);
        assert_eq!(demo.ended().code(), Some(0), "{}", demo.errors());
        assert!(begun.elapsed() < Duration::from_secs(5));
        TcpListener::bind(("127.0.0.1", port)).unwrap();
        TcpListener::bind(("127.0.0.1", port + 1)).unwrap();
    }
}

#[test]
fn a_busy_port_is_told_before_anything_is_started() {
    let dir = dir(&[]);
    let port = two_ports();
    let _taken = TcpListener::bind(("127.0.0.1", port + 1)).unwrap();
    let complaint = run(dir.path(), &["demo", "--port", &port.to_string(), "--no-open", "--dir", "play"]).complaint(1);
    let expected = format!("error: cannot listen on 127.0.0.1:{}: ", port + 1);
    assert!(complaint.starts_with(&expected) && complaint.contains("`--port`"), "{complaint}");
    assert!(!dir.path().join("play").exists());
}

#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let dir = dir(&[("mine.txt", "")]);
    let port = two_ports().to_string();
    let complaint =
        run_with(dir.path(), &["demo", "--port", &port, "--dir", "."], &[("DEMO_OPEN", "0")], "").complaint(1);
    assert_eq!(complaint, "error: the directory `.` is not empty\n\nhint: name one that is empty or missing\n");
}

#[cfg(target_os = "linux")]
#[test]
fn an_instance_that_dies_ends_the_demo_with_its_last_words() {
    let dir = dir(&[]);
    let port = two_ports();
    let mut demo = start(dir.path(), port);
    let children = fs::read_dir(format!("/proc/{}/task", demo.id())).unwrap().flat_map(|task| {
        let text = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        text.split_whitespace().map(|id| id.parse::<u32>().unwrap()).collect::<Vec<_>>()
    });
    let children: Vec<u32> = children.collect();
    assert_eq!(children.len(), 2);
    send("KILL", children[1]);
    assert_eq!(demo.ended().code(), Some(2), "{}", demo.errors());
    let told = demo.tells("ended by itself (signal: 9");
    assert!(told.starts_with("error: instance "), "{told}");
    for child in children {
        wait_for("the end of the other one", || (!Path::new(&format!("/proc/{child}")).exists()).then_some(()));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_demo_that_is_killed_takes_its_instances_with_it() {
    let dir = dir(&[]);
    let port = two_ports();
    let mut demo = start(dir.path(), port);
    demo.signal("KILL");
    demo.ended();
    for port in [port, port + 1] {
        wait_for("the free port", || TcpListener::bind(("127.0.0.1", port)).ok());
    }
}
