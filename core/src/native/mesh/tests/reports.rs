//! Reports of a running configuration.
use super::*;
use crate::engine::Level;

#[test]
fn a_source_that_breaks_goes_and_comes_back_is_reported_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.json");
    fs::write(&file, r#"{"limit": 1}"#).unwrap();
    let config = open([&file]).start().unwrap();
    let mut reports = config.reports();
    let mut next = || reports.wait(LONG).unwrap().expect("it is reported");
    for (text, level, state) in [
        (Some(r#"{"limit": "#), Level::Warning, "stale"),
        (Some(r#"{"limit": 2}"#), Level::Info, "fresh"),
        (None, Level::Warning, "stale"),
        (Some(r#"{"limit": 3}"#), Level::Info, "fresh"),
    ] {
        match text {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let report = next();
        let (source, found) = report.source.clone().expect("it is about a source");
        assert_eq!((report.level, found.as_str()), (level, state), "{}", report.message);
        assert!(source.ends_with("app.json") && report.message.contains("app.json"), "{}", report.message);
        assert_eq!(report.error.is_some(), state == "stale");
        assert_eq!(report.to_value().as_map().unwrap().get("state"), Some(&state.into()));
    }
    config.close();
    assert_eq!(next().message, "closed");
    assert_eq!(reports.wait(LONG).unwrap_err().code(), Code::Closed);
}
