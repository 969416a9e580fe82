//! Meshes on a bus within one process.
use super::*;

#[test]
fn meshes_on_one_bus_agree_without_being_connected() {
    let start = || MeshOptions::default().bus("memory://meshes").heartbeat_ms(500).start().unwrap();
    let (one, other) = (start(), start());
    one.set("limit", 7).wait().unwrap();
    until("the write to get there", || shows(&other, "limit", 7));
    let status = one.status().wait().unwrap();
    assert!(status.peers.is_empty());
    assert_eq!((status.buses[0].url.as_str(), status.buses[0].state), ("memory://meshes", "connected"));
    assert!(status.is_healthy(), "{:?}", status.health());
    assert_eq!(one.force_sync().wait().unwrap(), 1);
    // As every other door asks.
    assert_eq!(one.call("force_sync", &json("{}")).asked().unwrap().wait().unwrap(), 1.into());
    one.close();
    other.close();
}
