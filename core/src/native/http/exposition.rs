//! The two text forms of metrics: OpenMetrics for who asks for it, and the one before it for everything else.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// What the text is where OpenMetrics is asked for.
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What it is else.
pub(super) const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether who asks takes OpenMetrics.
pub(super) fn takes_open_metrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("application/openmetrics-text"))
}

/// OpenMetrics in the form before it: families have the names of their samples, and there are no units.
pub(super) fn plain(text: &str) -> String {
    let kind = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some((name.to_owned(), kind.to_owned()))
    };
    let kinds: BTreeMap<String, String> = text.lines().filter_map(kind).collect();
    let mut plain = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.starts_with("# UNIT ")) {
        let told = line.strip_prefix("# HELP ").map(|rest| ("HELP", rest));
        let told = told.or_else(|| line.strip_prefix("# TYPE ").map(|rest| ("TYPE", rest)));
        match told.and_then(|(what, rest)| rest.split_once(' ').map(|(name, rest)| (what, name, rest))) {
            None => plain.push_str(line),
            Some((what, name, rest)) => {
                let (suffix, as_before) = match kinds.get(name).map(String::as_str) {
                    Some("counter") => ("_total", "counter"),
                    Some("info") => ("_info", "gauge"),
                    Some("unknown") => ("", "untyped"),
                    _ => ("", rest),
                };
                let rest = if what == "TYPE" { as_before } else { rest };
                plain.extend(["# ", what, " ", name, suffix, " ", rest]);
            }
        }
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_as_before_and_samples_stay() {
        let open = "# HELP a_build Which.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
            # HELP a_frames_bytes How many.\n# TYPE a_frames_bytes counter\n# UNIT a_frames_bytes bytes\n\
            a_frames_bytes_total{direction=\"sent\"} 7\n# HELP a_seconds Long.\n# TYPE a_seconds histogram\n\
            a_seconds_count 0\n# TYPE a_x unknown\na_x 1\n# EOF\n";
        let wanted = "# HELP a_build_info Which.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
            # HELP a_frames_bytes_total How many.\n# TYPE a_frames_bytes_total counter\n\
            a_frames_bytes_total{direction=\"sent\"} 7\n# HELP a_seconds Long.\n# TYPE a_seconds histogram\n\
            a_seconds_count 0\n# TYPE a_x untyped\na_x 1\n# EOF\n";
        assert_eq!(plain(open), wanted);
    }

    #[test]
    fn open_metrics_are_for_who_names_them() {
        let takes = |accepted: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accepted.parse().unwrap());
            takes_open_metrics(&headers)
        };
        assert!(takes("text/html, application/openmetrics-text;version=1.0.0;q=0.8"));
        assert!(!takes("*/*") && !takes("text/plain") && !takes_open_metrics(&HeaderMap::new()));
    }
}
