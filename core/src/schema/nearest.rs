//! "Did you mean": the known name that somebody most likely wanted to write.

/// Names longer than this are not compared: nobody mistypes that much, and the work grows with the square.
const MAX_LENGTH: usize = 64;

/// The candidate that is closest to the text: equal but for case, `-` and `_`, or at most a third of it mistyped.
pub(crate) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = folded(text);
    if wanted.is_empty() || wanted.len() > MAX_LENGTH {
        return None;
    }
    let scored = candidates.into_iter().filter(|name| name.len() <= 4 * MAX_LENGTH).filter_map(|name| {
        let other = folded(name);
        let distance = distance(&wanted, &other);
        (distance <= wanted.len().max(other.len()) / 3).then_some((distance, name))
    });
    scored.min().map(|(_, name)| name)
}

fn folded(text: &str) -> Vec<char> {
    text.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// How many characters to insert, remove, replace or swap with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut cost = (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_suggested_and_strangers_are_not() {
        let names = ["port", "host", "rate_limit", "timeout_ms"];
        for (text, want) in [
            ("prot", Some("port")),
            ("hosts", Some("host")),
            ("rateLimit", Some("rate_limit")),
            ("RATE-LIMIT", Some("rate_limit")),
            ("timeout", Some("timeout_ms")),
            ("completely_different", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, names), want, "{text}");
        }
        assert_eq!(nearest(&"a".repeat(10_000), names), None);
    }
}
