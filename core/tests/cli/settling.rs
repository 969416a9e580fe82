//! A history that is dropped, and an instance that is gone for good.
use serde_json::Value;

use super::process::{Instance, wait_for};
use super::{dir, json};

fn settling(instance: &Instance) -> Value {
    instance.status()["documents"][0]["settling"].clone()
}

/// Waits until nothing is held that could be dropped, and tells when that was done.
#[track_caller]
fn dropped(instance: &Instance) -> String {
    wait_for("the history to be dropped", || {
        let settling = settling(instance);
        (settling["held_writes"] == 0).then(|| settling["last_dropped"].as_str().map(str::to_owned)).flatten()
    })
}

#[test]
fn an_instance_that_is_gone_for_good_is_expelled_and_history_is_dropped_again() {
    let dir = dir(&[]);
    let a = Instance::start(dir.path(), &["--data-dir", "a", "--settle", "--old-after", "0"], &[]);
    let peer = a.url.replace("http://", "ws://") + "/sync";
    let joins = ["--data-dir", "b", "--peer", &peer, "--settle", "--old-after", "0", "--found-after", "60000"];
    let mut b = Instance::start(dir.path(), &joins, &[]);
    a.data(&["set", "app.limit", "100"]);
    b.data(&["set", "app.name", "both"]);
    wait_for("the write of the other", || (a.run(&["get", "app.name"]).stdout == "both\n").then_some(()));
    dropped(&b);
    let first = dropped(&a);
    let text = a.words();
    assert!(text.contains(" last dropped ") && text.contains("; 0 writes held"), "{text}");
    assert!(text.contains(": this instance") && text.contains(": connected, has everything; last "), "{text}");

    b.process.signal("KILL");
    b.process.ended();
    a.data(&["set", "app.limit", "200"]);
    let away = wait_for("the other to be missed", || {
        let members = settling(&a)["members"].as_array().cloned().unwrap();
        assert_eq!(members.len(), 2, "{members:?}");
        members.into_iter().find(|member| member["blocks"] == true && member["connected"] == false)
    });
    assert!(settling(&a)["held_writes"].as_u64().unwrap() > 0);
    let text = a.words();
    assert!(text.contains(", waits for 1 of its members"), "{text}");
    assert!(text.contains(": not connected here, holds up the dropping; last acknowledged "), "{text}");

    let id = away["replica"].as_str().unwrap().to_owned();
    assert!(
        text.contains(&format!("{} (instance {})", id.split_at(12).0, away["instance_id"].as_str().unwrap())),
        "{text}"
    );
    let own = settling(&a)["members"].as_array().unwrap().iter().find(|member| member["own"] == true).cloned().unwrap();
    let complaint = a.run(&["expel", own["replica"].as_str().unwrap()]).complaint(1);
    assert!(complaint.contains("an instance cannot expel itself"), "{complaint}");
    let complaint = a.run(&["expel", "nobody"]).complaint(1);
    assert!(complaint.contains("`nobody` is no member of `default`") && complaint.contains("confmesh status"));
    let expelled = json(&a.data(&["expel", id.split_at(16).0, "--json"]));
    assert_eq!(expelled["expelled"], *id);
    assert!(a.run(&["expel", &id]).complaint(1).contains("is no member"));

    assert_eq!(settling(&a)["members"].as_array().unwrap().len(), 1);
    let second = dropped(&a);
    assert!(second > first, "{first} {second}");
    assert_eq!(json(&a.data(&["get", "app"])), json(r#"{"limit": 200, "name": "both"}"#));
}

#[test]
fn a_document_that_keeps_its_history_has_no_members_to_expel() {
    let dir = dir(&[]);
    let a = Instance::start(dir.path(), &["--data-dir", "a"], &[]);
    assert!(settling(&a).is_null());
    let complaint = a.run(&["expel", "00"]).complaint(1);
    assert!(
        complaint.contains("keeps its history and has no members") && complaint.contains("--settle"),
        "{complaint}"
    );
}
