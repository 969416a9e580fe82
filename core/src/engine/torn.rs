//! Whether a text is a write in place that was cut off.

/// What disks and caches write at once.
const BLOCK: usize = 4096;

/// Whether a text is neither the old nor the new one, but made of both as a write in place leaves it that was cut off: it
/// goes from the start to the end and cuts the file to its length last, and a power failure may keep any of its blocks.
pub(super) fn is_torn(text: &str, old: &str, new: &str) -> bool {
    let (text, old, new) = (text.as_bytes(), old.as_bytes(), new.as_bytes());
    let lengths = old.len().min(new.len())..=old.len().max(new.len());
    if text == old || text == new || !lengths.contains(&text.len()) {
        return false;
    }
    let mut cuts = 0;
    let blocks = text.chunks(BLOCK).enumerate().all(|(number, block)| {
        let part = |whole: &'_ [u8]| {
            let from = (number * BLOCK).min(whole.len());
            whole.get(from..(from + block.len()).min(whole.len())).unwrap_or_default().to_vec()
        };
        let (old, new) = (part(old), part(new));
        if block == old || block == new {
            return true;
        }
        // The block in which it stopped: new up to there, old behind it.
        cuts += 1;
        let same = |a: &[u8], b: &[u8]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let head = same(block, &new);
        let rest = block.get(head..).unwrap_or_default();
        old.get(head..).is_some_and(|old| old == rest) || rest.is_empty()
    });
    blocks && cuts <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_was_cut_off_anywhere_is_torn() {
        let texts = ["a: 1\nb: 1\n".to_owned(), "a: 20\nb: 3\nc: 4\n".to_owned(), "x".repeat(9_000), "y".repeat(8_000)];
        for (old, new) in texts.iter().flat_map(|old| texts.iter().map(move |new| (old, new))) {
            for cut in 0..=new.len() {
                let mut text = new.as_bytes()[..cut].to_vec();
                text.extend(old.as_bytes().iter().skip(cut));
                let text = String::from_utf8(text).unwrap();
                assert_eq!(is_torn(&text, old, new), text != *old && text != *new, "cut at {cut}");
            }
        }
    }

    #[test]
    fn blocks_of_both_are_torn_and_an_edit_is_not() {
        let (old, new) = ("x".repeat(3 * BLOCK), "y".repeat(3 * BLOCK));
        let mixed = format!("{}{}{}", "x".repeat(BLOCK), "y".repeat(BLOCK), "x".repeat(BLOCK));
        assert!(is_torn(&mixed, &old, &new));
        assert!(!is_torn("a: 1\nb: 5\n", "a: 1\nb: 1\n", "a: 2\nb: 1\n"));
        assert!(!is_torn("a: 1\n", "a: 1\nb: 1\n", "a: 2\nb: 1\n"));
    }
}
