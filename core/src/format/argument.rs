//! File arguments with options: `values.yaml;document=2`.

use super::Format;
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// A file and what its argument says of it: `PATH;format=NAME;document=2;optional;unset`.
///
/// Options start at the first `;` that an option's name follows; a `;` of the path itself is written `\;` there.
///
/// ```
/// use confmesh::format::{FileArgument, Format};
/// let file = FileArgument::parse("rc;format=yaml;optional")?;
/// assert_eq!((file.path.as_str(), file.format()?, file.is_optional), ("rc", Format::Yaml, true));
/// assert_eq!(FileArgument::parse("a;b.json")?.path, "a;b.json");
/// # Ok::<(), confmesh::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileArgument {
    /// The path alone.
    pub path: String,
    /// `format=NAME`, where it is said.
    pub named_format: Option<Format>,
    /// `document=N` or `document=all`, of a YAML text with several documents.
    pub document: Option<Which>,
    /// `optional`: a file that is missing is empty.
    pub is_optional: bool,
    /// `unset`: markers in it take out what lies below.
    pub removes: bool,
}

/// Which document of a text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// One of them; the first is 1.
    One(usize),
    /// All of them, as a list.
    All,
}

const OPTIONS: &str =
    "the options of a file are `;format=NAME`, `;document=N` or `;document=all`, `;optional` and `;unset`";

impl FileArgument {
    /// Reads an argument.
    ///
    /// # Errors
    /// [`Code::UnknownFormat`] where no format has the name, [`Code::Usage`] for options that are none.
    pub fn parse(argument: &str) -> Result<FileArgument> {
        let (path, options) = split_options(argument, &starts_option);
        let mut file = FileArgument { path, ..FileArgument::default() };
        for option in &options {
            let wrong = || {
                let message = format!("`{option}` is no option of the file `{}`", file.path);
                Error::new(Code::Usage, message).with_hint(OPTIONS)
            };
            match option.split_once('=') {
                Some(("format", name)) => file.named_format = Some(Format::from_name(name)?),
                Some(("document", "all")) => file.document = Some(Which::All),
                Some(("document", number)) => match number.parse() {
                    Ok(number) if number > 0 => file.document = Some(Which::One(number)),
                    _ => return Err(wrong()),
                },
                None if *option == "optional" => file.is_optional = true,
                None if *option == "unset" => file.removes = true,
                _ => return Err(wrong()),
            }
        }
        Ok(file)
    }

    /// The format, as the argument or else the name of the file tells it.
    ///
    /// # Errors
    /// As [`Format::from_path`].
    pub fn format(&self) -> Result<Format> {
        self.named_format.map_or_else(|| Format::from_path(&self.path), Ok)
    }

    /// What a text is read as that is expected in a format, see [`read_as`]; where the argument names the format, as that.
    pub fn format_of(&self, text: &str, expected: Format) -> Format {
        if self.named_format.is_some() { expected } else { read_as(text, expected) }
    }

    /// The note on a file whose name says JSON and which was read as JSONC.
    pub(crate) fn note(&self, source: &str, format: Format) -> Option<Error> {
        let is_by_content = format == Format::Jsonc
            && self.named_format.is_none()
            && Format::from_path(&self.path).is_ok_and(|named| named == Format::Json);
        is_by_content.then(|| commented(source))
    }

    /// The part of a text that the argument is about, with everything at its place: where one document of several is meant
    /// the others are blank.
    ///
    /// # Errors
    /// [`Code::Usage`] where the format holds one document only, [`Code::NotFound`] where the text holds fewer; what the
    /// parser says of the text.
    pub fn part(&self, text: String, format: Format) -> Result<String> {
        let Some(which) = self.document else { return Ok(text) };
        let mut documents = documents(&text, format)?;
        let count = documents.len();
        match which {
            Which::One(number) if number <= count => Ok(documents.swap_remove(number - 1)),
            Which::One(number) => Err(missing(number, count)),
            Which::All => Err(Error::new(Code::NotAMap, "all documents of the file are a list, not a map")
                .with_hint("name one of them: `;document=1`")),
        }
    }

    /// The value of a text: the document that the argument means, or the list of all of them. Errors name `source`.
    ///
    /// # Errors
    /// As [`FileArgument::part`], and what the text of a document says.
    pub fn value(&self, text: &str, format: Format, source: &str) -> Result<Value> {
        let in_source = |error| super::in_source(error, source);
        let format = self.format_of(text, format);
        match self.document {
            None => super::parse_from(text, format, source),
            Some(Which::One(_)) => {
                let part = self.part(text.to_owned(), format).map_err(in_source)?;
                super::parse_from(&part, format, source)
            }
            Some(Which::All) => {
                let documents = documents(text, format).map_err(in_source)?;
                let values = documents.iter().map(|part| super::parse_from(part, format, source));
                values.collect::<Result<Vec<Value>>>().map(Value::from)
            }
        }
    }
}

/// What a text is read as whose name says a format: JSON that is none but JSON with comments or trailing commas, as JSONC.
pub(crate) fn read_as(text: &str, expected: Format) -> Format {
    if expected != Format::Json {
        return expected;
    }
    let Err(strict) = super::parse(text, Format::Json) else { return Format::Json };
    let place = |error: &Error| error.origin().and_then(|origin| origin.location).map(|at| (at.line, at.column));
    match super::parse(text, Format::Jsonc) {
        Ok(_) => Format::Jsonc,
        // What is wrong stands behind a comment.
        Err(error) if place(&error) > place(&strict) => Format::Jsonc,
        Err(_) => Format::Json,
    }
}

/// The note on a file whose name says JSON and which was read as JSONC.
pub(crate) fn commented(source: &str) -> Error {
    Error::new(Code::Ambiguous, "the JSON file holds comments or trailing commas, and is read as JSONC")
        .with_origin(crate::origin::Origin::source(source))
        .with_hint("other programs may refuse it; add `;format=jsonc` to the file if it is meant so")
}

fn starts_option(rest: &str) -> bool {
    let word = rest.split(['=', ';']).next().unwrap_or("");
    let has_value = rest.get(word.len()..).is_some_and(|rest| rest.starts_with('='));
    match word {
        "format" | "document" => has_value,
        "optional" | "unset" => !has_value,
        _ => false,
    }
}

/// A text before its options, and the options behind it, which start at the first `;` that an option follows. A `;` of the
/// text itself before the name of an option, and one of an option's value, is written `\;`.
pub(crate) fn split_options(text: &str, is_option: &dyn Fn(&str) -> bool) -> (String, Vec<String>) {
    let is_plain = |at: usize| text.get(..at).is_some_and(|before| before.ends_with('\\'));
    let follows = |at: usize| text.get(at + 1..).is_some_and(is_option);
    let mut starts = text.match_indices(';').map(|(at, _)| at).filter(|at| follows(*at) && !is_plain(*at));
    let (before, options) = text.split_at_checked(starts.next().unwrap_or(text.len())).unwrap_or((text, ""));
    let mut found: Vec<String> = Vec::new();
    let mut is_continued = false;
    for part in options.split(';').skip(1) {
        let (part, goes_on) = part.strip_suffix('\\').map_or((part, false), |part| (part, true));
        match found.last_mut().filter(|_| is_continued) {
            Some(last) => last.push_str(&format!(";{part}")),
            None => found.push(part.to_owned()),
        }
        is_continued = goes_on;
    }
    (unescaped(before, is_option), found)
}

/// A path whose `\;` before the name of an option is a plain `;`.
fn unescaped(path: &str, is_option: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once("\\;") {
        out.push_str(before);
        out.push_str(if is_option(after) { ";" } else { "\\;" });
        rest = after;
    }
    out + rest
}

pub(super) fn missing(number: usize, count: usize) -> Error {
    let message = format!("the text has no document {number}, it has {count}");
    Error::new(Code::NotFound, message).with_hint("the first document is 1")
}

/// The documents of a text, each with everything at its place and the others blank.
fn documents(text: &str, format: Format) -> Result<Vec<String>> {
    #[cfg(feature = "yaml")]
    if format == Format::Yaml {
        return super::yaml_documents::documents(text);
    }
    let _ = text;
    Err(Error::new(Code::Usage, format!("{} holds one document", format.name()))
        .with_hint("leave `;document=…` out: only YAML has several in one file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(argument: &str) -> FileArgument {
        FileArgument::parse(argument).unwrap()
    }

    #[test]
    fn options_start_at_a_name_and_a_semicolon_of_the_path_is_plain() {
        assert_eq!(read("a;b.json").path, "a;b.json");
        assert_eq!(read("a;optional.json").path, "a;optional.json");
        assert_eq!(read("a\\;format=x.json").path, "a;format=x.json");
        assert_eq!(read("a\\;b;format=ini").path, "a\\;b");
        let file = read("a;b;format=yaml;document=3;optional");
        assert_eq!((file.path.as_str(), file.named_format), ("a;b", Some(Format::Yaml)));
        assert_eq!((file.document, file.is_optional), (Some(Which::One(3)), true));
        for wrong in ["a;format=docx", "a;document=0", "a;document=x", "a;format=json;x", "a;optional;format"] {
            assert!(FileArgument::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn one_document_of_several_keeps_its_places_and_all_are_a_list() {
        let text = "a: 1\n--- # two\nb: 2\n...\n---\nc: [1, }\n";
        let read = |argument: &str| FileArgument::parse(argument).unwrap().value(text, Format::Yaml, "f");
        assert_eq!(read("f;document=2").unwrap(), [("b", 2)].into_iter().collect());
        let error = read("f;document=3").unwrap_err();
        assert!(error.to_string().starts_with("f:6:"), "{error}");
        assert_eq!(read("f;document=9").unwrap_err().code(), Code::NotFound);
        assert!(read("f").unwrap_err().hint().unwrap().contains(";document=2"));
        let all = FileArgument::parse("f;document=all").unwrap().value("a: 1\n---\n- 2\n", Format::Yaml, "f").unwrap();
        assert_eq!(all, crate::format::parse(r#"[{"a":1},[2]]"#, Format::Json).unwrap());
        assert_eq!(read("f;format=json;document=1").err(), None);
        let json = FileArgument::parse("f;document=1").unwrap().value("{}", Format::Json, "f");
        assert_eq!(json.unwrap_err().code(), Code::Usage);
    }
}
