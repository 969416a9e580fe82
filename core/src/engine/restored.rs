//! What of a store's records goes on in an instance that is restored from a copy of them.
//!
//! The others went on without it, and may have been told more than the copy holds. So it comes back as another instance: what
//! it wrote stays, and no name is written under again.

use super::records::without_founder;
use super::types::StoreWrite;

/// Kinds of records that speak of the place and the moment that the copy was made in.
///
/// - `file`, `mirrored`, `mirrored-step`: what a bound file said then. What it says now would look like an edit of that, made
///   by somebody who has not seen what others wrote since.
/// - `sides`: names that guests' writes were made under, of the key that stays behind.
const LEFT: &[&str] = &["file", "mirrored", "mirrored-step", "sides"];

/// The records of a store that takes the place of the one that these were copied from. Its instance has to have another key.
pub fn restored_records<'a>(records: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<StoreWrite> {
    let kept = records.into_iter().filter_map(|(key, bytes)| {
        let text = std::str::from_utf8(key).ok();
        let kind = text.and_then(|text| text.strip_prefix("doc/")).and_then(|rest| rest.splitn(3, '/').nth(2));
        let kind = kind.map(|rest| rest.split('/').next().unwrap_or(rest)).unwrap_or_default();
        if LEFT.contains(&kind) {
            return None;
        }
        // Who granted the first locks was the instance that the copy is of.
        let bytes = if kind == "life" { without_founder(bytes) } else { bytes.to_vec() };
        Some(StoreWrite::Put { key: key.to_vec(), bytes })
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_of_files_and_names_stays_behind_and_all_else_goes_on() {
        let records = [
            ("doc/default/default/file/a.json", "{}"),
            ("doc/default/default/life", r#"{"born":"1","founder":true,"old":true}"#),
            ("doc/default/default/mirrored-step/1/a.json", "{}"),
            ("doc/default/default/mirrored/a.json", "{}"),
            ("doc/default/default/replica", "{}"),
            ("doc/default/default/sides", "{}"),
            ("doc/file/sides/write/x:1:/file", "{}"),
            ("later", "anything"),
        ];
        let kept = restored_records(records.iter().map(|(key, bytes)| (key.as_bytes(), bytes.as_bytes())));
        let kept: Vec<(String, String)> = kept
            .into_iter()
            .filter_map(|write| match write {
                StoreWrite::Put { key, bytes } => {
                    Some((String::from_utf8(key).unwrap(), String::from_utf8(bytes).unwrap()))
                }
                StoreWrite::Delete { .. } => None,
            })
            .collect();
        let kept: Vec<(&str, &str)> = kept.iter().map(|(key, bytes)| (key.as_str(), bytes.as_str())).collect();
        let expected = [
            ("doc/default/default/life", r#"{"born":"1","old":true}"#),
            ("doc/default/default/replica", "{}"),
            ("doc/file/sides/write/x:1:/file", "{}"),
            ("later", "anything"),
        ];
        assert_eq!(kept, expected);
    }
}
