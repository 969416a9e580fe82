//! Reading a text of each format, and editing it in place: `cargo bench -p confmesh-benches --bench formats`.
#![expect(clippy::expect_used, reason = "a benchmark may stop at the first surprise")]

use confmesh::format::{Format, held, parse, print, rewrite};
use confmesh::{Path, Value};
use confmesh_benches::documents::base;
use confmesh_benches::{Report, contender};

const FORMATS: [Format; 6] = [Format::Json, Format::Jsonc, Format::Yaml, Format::Toml, Format::Ini, Format::Dotenv];

fn main() {
    let mut report = Report::new();
    for size in [50, 2_000] {
        report.group(format!("{size} leaves"));
        for format in FORMATS {
            formats(&mut report, &document(size, format), format);
        }
    }
}

/// What a file of the format holds of a document; a flat one of the leaves.
fn document(size: usize, format: Format) -> Value {
    let whole = base(size);
    if format != Format::Dotenv {
        return held(&whole, format).value;
    }
    let mut leaves = Vec::new();
    whole.for_each_leaf(&mut |path: &Path, leaf: &Value| {
        let name: Vec<&str> = path.segments().iter().map(|segment| segment.as_str()).collect();
        leaves.push((name.join("."), leaf.clone()));
    });
    held(&leaves.iter().map(|(name, leaf)| (name.as_str(), leaf.clone())).collect(), format).value
}

fn formats(report: &mut Report, document: &Value, format: Format) {
    let text = commented(&print(document, format).expect("the format holds it"), format);
    let mut leaves = Vec::new();
    document.for_each_leaf(&mut |path: &Path, leaf: &Value| {
        if leaf.as_str().is_some() {
            leaves.push(path.clone());
        }
    });
    let changed = |at: usize| leaves.get(at % leaves.len().max(1)).expect("there are texts").clone();
    let one = document.with(&changed(leaves.len() / 2), "changed".into());
    let four =
        (1..=4).fold(document.clone(), |value, nth| value.with(&changed(nth * leaves.len() / 5), "changed".into()));
    for target in [&one, &four] {
        let edited = rewrite(&text, format, target).expect("it can be edited");
        assert_eq!(parse(&edited, format).as_ref(), Ok(target), "{}", format.name());
    }
    report.compare(
        &format!("{}, {} bytes", format.name(), text.len()),
        vec![
            contender("read", || parse(&text, format)),
            contender("edit one value in place", || rewrite(&text, format, &one)),
            contender("edit four values in place", || rewrite(&text, format, &four)),
            contender("print anew", || print(&one, format)).note("comments and order are lost"),
        ],
    );
}

/// The text with a comment behind every tenth line, where the format has them.
fn commented(text: &str, format: Format) -> String {
    let comment = match format {
        Format::Json => return text.to_owned(),
        Format::Jsonc => "  // why",
        Format::Ini => "; why",
        _ => "# why",
    };
    let mut out = String::new();
    for (at, line) in text.lines().enumerate() {
        if at % 10 == 9 && !line.trim().is_empty() {
            out.extend([comment, "\n"]);
        }
        out.extend([line, "\n"]);
    }
    out
}
