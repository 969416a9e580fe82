//! Stores that are full or damaged, and processes that are killed.
use super::*;

/// Flips a bit in the middle of the store of a data directory.
fn damage(data: &FilePath) {
    let store = data.join("store.redb");
    let mut bytes = fs::read(&store).unwrap();
    let middle = bytes.windows(5).position(|found| found == b"first").unwrap();
    bytes[middle] ^= 0x10;
    fs::write(&store, bytes).unwrap();
}

#[test]
fn a_bound_file_that_is_made_later_is_an_edit_of_the_empty_document() {
    let dir = tempfile::tempdir().unwrap();
    let (file, other) = (dir.path().join("a.json"), dir.path().join("b.json"));
    let a = MeshOptions::default().bind(&file).listen("127.0.0.1:0").start().unwrap();
    until("a founds", || a.status().wait().unwrap().documents[0].status.genesis.clone());
    let peer = format!("ws://{}", a.addresses()[0]);
    let b = MeshOptions::default().bind(&other).peer(peer).start().unwrap();
    until("b joins", || b.status().wait().unwrap().documents[0].status.genesis.clone());
    fs::write(&file, r#"{"name": "first"}"#).unwrap();
    until("both have it", || shows(&a, "name", "first").and(shows(&b, "name", "first")));
    until("and so has the other file", || holds(&other, "first"));
    assert_eq!(fs::read_to_string(&file).unwrap(), r#"{"name": "first"}"#);
    assert!(!dir.path().join("a.json.before-join").exists());
}

#[test]
fn a_damaged_store_is_refused_and_rebuilt_from_the_others_and_from_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let data = |name: &str| dir.path().join(name);
    let (port_a, port_b) = (free_port(), free_port());
    let options = |name: &str, own: u16, other: u16| {
        MeshOptions::default()
            .bind(dir.path().join(format!("{name}.json")))
            .data_dir(data(name))
            .listen(format!("127.0.0.1:{own}"))
            .peer(format!("ws://127.0.0.1:{other}"))
            .found_after_ms(50)
    };
    fs::write(dir.path().join("a.json"), r#"{"name": "first"}"#).unwrap();
    let a = options("a", port_a, port_b).start().unwrap();
    until("a founds", || a.status().wait().unwrap().documents[0].status.genesis.clone());
    let b = options("b", port_b, port_a).start().unwrap();
    until("b has it", || shows(&b, "name", "first"));
    b.close();
    damage(&data("b"));
    let error = options("b", port_b, port_a).start().unwrap_err();
    assert_eq!(error.code(), Code::Damaged, "{error:?}");
    assert!(error.hint().unwrap().contains("confmesh rebuild --data-dir"), "{error:?}");

    let kept = rebuild(&data("b"), false).unwrap().unwrap();
    assert!(kept.ends_with("b/store.redb.aside") && kept.exists(), "{kept:?}");
    // The others are away, and its file holds something that they never had.
    a.set("name", "newest").wait().unwrap();
    a.close();
    fs::write(dir.path().join("b.json"), r#"{"name": "old", "own": true}"#).unwrap();
    let b = options("b", port_b, port_a).start().unwrap();
    let waits = Instant::now() + Duration::from_millis(300);
    until("far more than the time has passed in which it would found", || {
        assert_eq!(b.status().wait().unwrap().documents[0].status.genesis, None);
        (Instant::now() > waits).then_some(())
    });
    let a = options("a", port_a, port_b).start().unwrap();
    until("b has what the others have", || shows(&b, "name", "newest"));
    until("and so has its file", || holds(&dir.path().join("b.json"), "newest"));
    assert_eq!(b.get("own").unwrap(), None);
    assert_eq!(a.get("name").unwrap(), Some("newest".into()));
    assert!(holds(&dir.path().join("b.json.before-join"), "\"own\": true").is_some(), "what its file held is kept");
    b.close();

    let error = rebuild(&data("b"), false).unwrap_err();
    assert_eq!((error.code(), error.hint().unwrap().contains("--force")), (Code::Usage, true), "{error:?}");
    assert!(rebuild(&data("b"), true).unwrap().unwrap().ends_with("store.redb.aside-1"));
    let error = MeshOptions::default().data_dir(data("b")).start().unwrap_err();
    assert_eq!(error.code(), Code::NotReady, "without others nothing can be rebuilt: {error:?}");
}
