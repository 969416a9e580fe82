//! `confmesh serve` takes webhooks.
use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};

use crate::process::{Instance, Running};
use crate::{dir, run};

/// A delivery in the way of GitHub; the status.
fn deliver(instance: &Instance, secret: &str, id: &str, body: &str) -> String {
    let address = instance.url.trim_start_matches("http://");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /webhook/config HTTP/1.1\r\nHost: {address}\r\nX-Hub-Signature-256: sha256={signature}\r\n\
         X-GitHub-Delivery: {id}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_key_is_printed_as_a_line_that_serve_takes() {
    let dir = dir(&[]);
    let line = run(dir.path(), &["key", "new"]).data();
    assert!(line.starts_with("confmesh-key-1.") && line.lines().count() == 1, "{line}");
    assert_ne!(line, run(dir.path(), &["key", "new"]).data());
    std::fs::write(dir.path().join("confmesh.key"), &line).unwrap();
    let instance = Instance::start(dir.path(), &["--encrypt-key-file", "confmesh.key"], &[]);
    assert!(!instance.process.errors().contains(line.trim()));
    std::fs::write(dir.path().join("confmesh.key"), "hunter2").unwrap();
    let mut refused = Running::start(dir.path(), &["serve", "--encrypt-key-file", "confmesh.key"], &[]);
    assert_eq!(refused.ended().code(), Some(1));
    refused.tells("`confmesh.key`: line 1 is no key");
    assert!(!refused.errors().contains("hunter2"));
}

#[test]
fn serve_takes_webhooks_by_secrets_of_a_file_and_of_a_variable() {
    let dir = dir(&[("secrets", "# of the build\nbuild=a secret of many characters\n")]);
    let variable = format!("other=whsec_{}", STANDARD.encode([7; 24]));
    let arguments = ["--webhook-secret-file", "secrets", "--webhook-paths", "app.**,limit"];
    let instance = Instance::start(dir.path(), &arguments, &[("CONFMESH_WEBHOOK_SECRET", &variable)]);
    let body = r#"{"config_name": "default", "config_data": {"limit": 3}}"#;
    assert_eq!(deliver(&instance, "a secret of many characters", "1", body), "200");
    assert_eq!(instance.data(&["get", "limit"]), "3\n");
    assert_eq!(deliver(&instance, variable.trim_start_matches("other="), "2", body), "200");
    assert_eq!(deliver(&instance, "another secret of many", "3", body), "401");
    let outside = r#"{"config_name": "default", "config_data": {"db": 3}}"#;
    assert_eq!(deliver(&instance, "a secret of many characters", "4", outside), "403");
    instance.process.tells("a webhook is refused: no secret fits the signature");
    let said = instance.process.errors();
    assert!(!said.contains("many characters") && !said.contains("whsec_"), "{said}");
    let mut refused = Running::start(dir.path(), &["serve", "--webhook-secret-file", "missing"], &[]);
    assert_eq!(refused.ended().code(), Some(1), "{}", refused.errors());
}
