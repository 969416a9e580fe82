//! `confmesh doctor`.
use crate::{dir, json, run};

#[test]
fn what_is_well_odd_and_broken_is_told_with_advice_and_a_status() {
    let dir = dir(&[("a.yaml", "a: 1\n")]);
    let well = run(dir.path(), &["doctor", "--file", "a.yaml", "--data-dir", "data", "--source", "exec:echo {}"]);
    assert_eq!(well.status, 0, "{}{}", well.stdout, well.stderr);
    for says in [
        "ok      clock",
        "file `a.yaml`: it can be read",
        "data directory `data`: it can be written to",
        "a document in",
    ] {
        assert!(well.stdout.contains(says), "{says}: {}", well.stdout);
    }
    assert!(!dir.path().join("data").exists(), "nothing is changed");
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let source = format!("http://{dead}/");
    let broken = run(
        dir.path(),
        &["--json", "doctor", "--file", "gone/b.yaml", "--source", &source, "--source", "exec:false;optional"],
    );
    assert_eq!(broken.status, 1, "{}", broken.stderr);
    let found = json(&broken.stdout);
    let of = |about: &str, word: &str| {
        let all = found.as_array().unwrap().iter();
        all.filter(|one| one["about"].as_str().unwrap().contains(about) && one["found"] == word).count()
    };
    assert_eq!((of("gone/b.yaml", "broken"), of("http://", "odd"), of("http://", "broken")), (1, 1, 1), "{found}");
    assert_eq!(of("exec:false", "odd"), 1, "{found}");
    assert!(found.to_string().contains("is the server running"), "{found}");
}
