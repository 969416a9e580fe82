//! Writes under conditions and conflicts, over HTTP and through the mesh.
use super::http::call;
use super::*;
use crate::pattern::Pattern;
use crate::policy::{ConflictStrategy, Meanwhile, Policy, Rule};

fn manual() -> Policy {
    let rule = Rule::on(Pattern::parse("app.*").unwrap());
    Policy::of([rule.conflict(ConflictStrategy::ManualResolution).meanwhile(Meanwhile::Previous)]).unwrap()
}

/// Two connected meshes that wrote `app.limit` apart: 1 on the first and 2 on the second, in somebody's name.
struct Disputed {
    a: Mesh,
    b: Mesh,
    _dir: tempfile::TempDir,
}

fn disputed(policy: &Policy) -> Disputed {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let a = |listen: u16| {
        let options = MeshOptions::default().listen(format!("127.0.0.1:{listen}")).policy(policy.clone());
        options.data_dir(dir.path().join("a")).start().unwrap()
    };
    let first = a(port);
    first.set("app.limit", 0).wait().unwrap();
    let b = listening().policy(policy.clone()).peer(format!("ws://127.0.0.1:{port}")).start().unwrap();
    until("the document is shared", || shows(&b, "app.limit", 0));
    first.close();
    let write = |mesh: &Mesh, value: u64, user: &str| {
        let terms = WriteTerms { user: Some(user.into()), ..WriteTerms::default() };
        mesh.write(Command::set(Path::parse("app.limit").unwrap(), value.into()), terms).wait().unwrap();
    };
    write(&b, 2, "ben");
    // Where b does not look for it.
    let apart = a(free_port());
    write(&apart, 1, "ann");
    apart.close();
    let a = a(port);
    for mesh in [&a, &b] {
        until("both sides are on both", || (mesh.conflicts(true).wait().unwrap().len() == 1).then_some(()));
    }
    Disputed { a, b, _dir: dir }
}

#[test]
fn a_path_has_a_tag_of_its_own_that_only_what_touches_it_changes() {
    let mesh = listening().start().unwrap();
    mesh.replace(json(r#"{"a": {"b": 1}, "c": 1}"#), None).wait().unwrap();
    let to = mesh.addresses()[0];
    let target = "/config/default?path=a.b";
    let read = call(to, &format!("GET {target}"), &[], "");
    let tag = read.header("etag").unwrap().to_owned();
    assert_eq!(tag.trim_matches('"'), mesh.read("a.b").wait().unwrap().version.to_string());
    assert_eq!(call(to, &format!("GET {target}"), &[("If-None-Match", &tag)], "").status, 304);
    assert_eq!(call(to, "PUT /config/default?path=c", &[], "2").status, 200);
    let put = call(to, &format!("PUT {target}"), &[("If-Match", &tag)], "2");
    let new = put.header("etag").unwrap().to_owned();
    assert_eq!((put.status, put.json().child("version")), (200, Some(&new.trim_matches('"').into())));
    for line in [format!("PUT {target}"), format!("DELETE {target}")] {
        let stale = call(to, &line, &[("If-Match", &tag)], "3");
        assert_eq!((stale.status, stale.code().as_str()), (412, "stale"), "{line}");
        assert_eq!(stale.header("content-type"), Some("application/problem+json"));
        assert_eq!(stale.json().child("status"), Some(&412.into()));
    }
    let several = format!("{tag}, {new}");
    assert_eq!(call(to, &format!("DELETE {target}"), &[("If-Match", &several)], "").status, 200);
    assert_eq!(mesh.get("a.b").unwrap(), None);
}

#[test]
fn a_path_is_written_only_where_something_is_if_the_request_says_so() {
    let mesh = listening().start().unwrap();
    let to = mesh.addresses()[0];
    let put = |tag: &str| call(to, "PUT /config/default?path=there", &[("If-Match", tag)], "2");
    let refused = put("*");
    assert_eq!((refused.status, refused.code().as_str()), (412, "stale"), "{}", refused.body);
    assert_eq!(call(to, "DELETE /config/default?path=there", &[("If-Match", "*")], "").status, 404);
    assert_eq!(mesh.get("there").unwrap(), None);
    mesh.set("there", 1).wait().unwrap();
    let weak = format!("W/\"{}\"", mesh.read("there").wait().unwrap().version);
    assert_eq!(put(&weak).status, 412, "a weak tag is no version to write on");
    assert_eq!((put("*").status, mesh.get("there").unwrap()), (200, Some(2.into())));
}

#[test]
fn a_path_is_written_only_where_nothing_is_if_the_request_says_so() {
    let mesh = listening().start().unwrap();
    let to = mesh.addresses()[0];
    let put = |body: &str| call(to, "PUT /config/default?path=once", &[("If-None-Match", "*")], body).status;
    assert_eq!((put("1"), put("2")), (200, 412));
    assert_eq!(mesh.get("once").unwrap(), Some(1.into()));
}

#[test]
fn a_first_value_is_kept_unless_forced_and_bad_parameters_are_explained() {
    let rule = Rule::on(Pattern::parse("id").unwrap()).conflict(ConflictStrategy::FirstWriteWins);
    let mesh = listening().policy(Policy::of([rule]).unwrap()).start().unwrap();
    let to = mesh.addresses()[0];
    let put = |more: &str| call(to, &format!("PUT /config/default?path=id{more}"), &[], "2");
    assert_eq!(put("").status, 200);
    mesh.set("id", 2).wait().unwrap(); // the same value again changes nothing
    let refused = call(to, "PUT /config/default?path=id", &[], "3");
    assert_eq!((refused.status, refused.code().as_str()), (409, "already_set"));
    assert_eq!(call(to, "PUT /config/default?path=id&force=true", &[], "3").status, 200);
    assert_eq!(mesh.get("id").unwrap(), Some(3.into()));
    for more in ["&force=maybe", "&fence=-1", "&user="] {
        assert_eq!((put(more).status, put(more).code().as_str()), (400, "usage"), "{more}");
    }
}

#[test]
fn a_manual_conflict_is_listed_and_settled_over_http_on_every_instance() {
    let Disputed { a, b, _dir } = disputed(&manual());
    let to = a.addresses()[0];
    let list = |to, line: &str| call(to, line, &[], "").json().child("conflicts").unwrap().as_list().unwrap().clone();
    let listed = list(to, "GET /conflicts");
    let found = &listed.as_slice()[0];
    assert_eq!(found.child("id"), list(b.addresses()[0], "GET /conflicts?all=true").as_slice()[0].child("id"));
    assert_eq!((found.child("path"), found.child("shown")), (Some(&"app.limit".into()), Some(&0.into())));
    let sides = found.child("sides").unwrap().as_list().unwrap().as_slice().to_vec();
    let ann = sides.iter().position(|side| side.child("user") == Some(&"ann".into())).unwrap();
    assert_eq!(sides[ann].child("value"), Some(&1.into()));
    let id = found.child("id").unwrap().as_str().unwrap();
    let assign = |body: &str| call(to, &format!("POST /conflicts/{id}/assign"), &[], body);
    assert_eq!((assign("{}").status, assign(r#"{"user": ""}"#).status), (400, 400));
    assert_eq!(assign(r#"{"user": "ann"}"#).status, 200);
    until("everybody knows who decides", || {
        b.conflicts(false).wait().unwrap()[0].assigned_to.as_deref().filter(|user| *user == "ann").map(|_| ())
    });
    let resolve = |body: &str| call(to, &format!("POST /conflicts/{id}/resolve?user=eve"), &[], body);
    for bad in ["{}", "1", r#"{"take": -1}"#, r#"{"keep": false}"#, r#"{"take": 0, "keep": true}"#, r#"{"take": 2}"#] {
        assert_eq!((resolve(bad).status, resolve(bad).code().as_str()), (400, "usage"), "{bad}");
    }
    let done = resolve(&format!(r#"{{"take": {ann}}}"#));
    assert_eq!((done.status, done.json().child("changed")), (200, Some(&json(r#"["app.limit"]"#))));
    for mesh in [&a, &b] {
        until("it is settled", || {
            shows(mesh, "app.limit", 1)
                .filter(|()| mesh.conflicts(true).wait().unwrap().iter().all(|conflict| conflict.is_closed))
        });
        let trail = call(mesh.addresses()[0], "GET /audit", &[], "").json();
        let entries = trail.child("entries").unwrap().as_list().unwrap().clone();
        let resolved = |entry: &&Value| entry.child("event") == Some(&"conflict_resolved".into());
        let told: Vec<&Value> = entries.iter().filter(resolved).collect();
        assert_eq!(told.len(), 1, "{trail:?}");
        assert_eq!(told[0].child("conflict_id"), Some(&id.into()));
        assert_eq!(told[0].child("resolved_value"), Some(&1.into()));
        assert_eq!(told[0].child("resolved_by").unwrap().child("user"), Some(&"eve".into()));
        let kept: Vec<Value> = mesh.audit().wait().unwrap().iter().map(|entry| entry.to_value()).collect();
        assert_eq!(kept, entries.as_slice());
        assert!(kept.iter().any(|entry| entry.child("event") == Some(&"remote_applied".into())), "{trail:?}");
    }
    assert_eq!(
        (resolve(r#"{"keep": true}"#).status, call(to, "POST /conflicts/x/resolve", &[], "{}").status),
        (404, 404)
    );
}

#[test]
fn what_a_rule_decided_is_settled_through_the_mesh() {
    let Disputed { a, b, _dir } = disputed(&Policy::default());
    assert!(a.conflicts(false).wait().unwrap().is_empty());
    let found = b.conflicts(true).wait().unwrap().remove(0);
    b.resolve(found.id, Choice::Value(7.into())).wait().unwrap();
    until("it is settled", || shows(&a, "app.limit", 7));
    assert!(a.conflicts(true).wait().unwrap().iter().all(|conflict| conflict.is_closed));
    assert_eq!(b.resolve(found.id, Choice::Keep).wait().unwrap_err().code(), Code::NotFound);
}
