//! Plain scalars of YAML that another reader, or the author, takes for something else.

/// Why a plain scalar is ambiguous, and the fix; the key that it stands below may tell a version.
pub(super) fn ambiguity(text: &str, key: Option<&str>) -> Option<(&'static str, &'static str)> {
    let first = text.bytes().next()?;
    if first.is_ascii_digit() || matches!(first, b'-' | b'+') {
        return number(text.trim_start_matches(['-', '+']), key.unwrap_or(""));
    }
    let is_word = text.len() <= 3 && ["y", "n", "yes", "no", "on", "off"].iter().any(|word| spelled(text, word));
    is_word.then_some((
        "the plain scalar is read as a text; many readers take it for a bool",
        "write `true` or `false`, or put the text in quotes",
    ))
}

/// Whether a text is the word as YAML 1.1 spells it: in small or capital letters, or with a capital first one.
fn spelled(text: &str, word: &str) -> bool {
    let rest = |text: &str| text.get(1..).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase()));
    text.eq_ignore_ascii_case(word) && (rest(text) || text.bytes().all(|b| b.is_ascii_uppercase()))
}

fn number(text: &str, key: &str) -> Option<(&'static str, &'static str)> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if text.len() > 1 && text.starts_with('0') && digits(text) {
        return Some((
            "the plain scalar is read as a decimal number without its leading zeros; other readers take it for octal",
            "put it in quotes to keep it as it stands, or write `0o…` for an octal number",
        ));
    }
    if let Some((whole, part)) = text.split_once('.').filter(|(whole, part)| digits(whole) && digits(part)) {
        let key = key.to_ascii_lowercase();
        let is_version = key.contains("version") || key == "tag";
        let loses = part.ends_with('0')
            && (is_version || (part.len() > 1 && !part.trim_end_matches('0').is_empty() && whole != "0"));
        return loses.then_some((
            "the plain scalar is read as a number and loses its last zero, which a version needs",
            "put it in quotes to keep it as it stands, or leave the zero out",
        ));
    }
    if let Some((_, exponent)) = text.split_once(['e', 'E']).filter(|(mantissa, _)| digits(mantissa)) {
        return digits(exponent).then_some((
            "the plain scalar is read as a number with an exponent; other readers take it for a text",
            "put it in quotes to keep it as it stands, or write the number out",
        ));
    }
    let mut parts = text.split(':');
    let is_sexagesimal = parts.next().is_some_and(|first| digits(first) && !first.starts_with('0'))
        && text.contains(':')
        && parts.all(|part| digits(part) && part.len() <= 2 && part.parse::<u32>().is_ok_and(|part| part < 60));
    is_sexagesimal.then_some((
        "the plain scalar is read as a text; many readers take it for a number to the base 60",
        "put it in quotes",
    ))
}

#[cfg(test)]
mod tests {
    use super::ambiguity;

    #[test]
    fn scalars_that_readers_take_differently_are_told_and_others_are_not() {
        for text in ["0644", "01234", "-007", "3.10", "1.20", "yes", "No", "OFF", "y", "1234e5", "22:22", "12:30:45"] {
            assert!(ambiguity(text, None).is_some(), "{text}");
        }
        let plain = [
            "0",
            "10",
            "0.50",
            "1.0",
            "1.5",
            "1.25",
            "yES",
            "none",
            "only",
            "1e-5",
            "1.5e3",
            "80:80",
            "2001-12-14",
            "00:11:22:33:44:55",
            "0x1f",
            "0o17",
            "-",
            "1.2.30",
            "nginx:1.10",
            "100.00",
            "",
        ];
        for text in plain {
            assert!(ambiguity(text, None).is_none(), "{text}");
        }
        assert!(ambiguity("1.0", Some("apiVersion")).is_some() && ambiguity("2", Some("version")).is_none());
    }
}
