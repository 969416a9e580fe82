//! What an answer holds: bytes within limits, unpacked, and of which format.
use std::io::Read;

use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::Failure;
use crate::error::{Code, Error, Result};
use crate::format::Format;
use crate::limits::MAX_TEXT_BYTES;
use crate::native::net::connect::failed;

fn too_large() -> Failure {
    let message = format!("the answer is larger than {} MiB", MAX_TEXT_BYTES >> 20);
    Failure::of_content(Error::new(Code::TooLarge, message).with_hint("is this the document you meant?"))
}

/// Reads the whole body; what is announced or comes beyond the limit is refused as soon as that is known.
pub(super) async fn read(mut body: Incoming) -> Result<Vec<u8>, Failure> {
    if body.size_hint().lower() > MAX_TEXT_BYTES as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let error = failed(&error);
            Error::new(error.code(), format!("the answer is cut off: {}", error.message()))
        })?;
        let Ok(part) = frame.into_data() else { continue };
        if bytes.len() + part.len() > MAX_TEXT_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

/// The bytes as they were before they were compressed, never more than the limit.
pub(super) fn unpacked(bytes: Vec<u8>, headers: &HeaderMap) -> Result<Vec<u8>, Failure> {
    let encoding = headers
        .get(CONTENT_ENCODING)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase());
    match encoding.as_deref() {
        None | Some("" | "identity") => Ok(bytes),
        Some("gzip" | "x-gzip") => {
            let mut text = Vec::new();
            let read = MultiGzDecoder::new(bytes.as_slice()).take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut text);
            match read {
                Ok(_) if text.len() > MAX_TEXT_BYTES => Err(too_large()),
                Ok(_) => Ok(text),
                Err(_) => Err(Failure::of_content(Error::new(Code::Syntax, "the answer is no whole gzip"))),
            }
        }
        Some(other) => {
            let message = format!("the answer is encoded as `{}`", other.escape_default());
            Err(Failure::of_content(
                Error::new(Code::UnknownFormat, message).with_hint("gzip or nothing is understood"),
            ))
        }
    }
}

/// The text of an answer and its format: as the options say, else the content type, else the name at the end of the URL.
pub(super) fn document(
    bytes: Vec<u8>,
    headers: &HeaderMap,
    named: Option<Format>,
    path: &str,
) -> Result<(String, Format), Failure> {
    let refused = |code, what: String, hint: &str| Err(Failure::of_content(Error::new(code, what).with_hint(hint)));
    let Ok(text) = String::from_utf8(bytes) else {
        return refused(Code::Syntax, "the answer is not UTF-8".to_owned(), "the document has to be UTF-8");
    };
    if text.trim().is_empty() {
        let hint = "to remove every key the document has to be `{}`";
        return refused(Code::Syntax, "the answer is empty".to_owned(), hint);
    }
    let kind = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let kind = kind.as_deref().and_then(|kind| kind.split(';').next()).unwrap_or("").trim().to_ascii_lowercase();
    let start: String = text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).chars().take(15).collect();
    let start = start.to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") || (kind == "text/html" && named.is_none()) {
        let hint = "a login, an error page or a proxy stands in between: is the URL the document's own?";
        return refused(Code::Syntax, "the answer is an HTML page".to_owned(), hint);
    }
    let by_type = match kind.rsplit(['/', '+']).next().unwrap_or("") {
        "json" => Some(Format::Json),
        "yaml" | "x-yaml" => Some(Format::Yaml),
        "toml" | "x-toml" => Some(Format::Toml),
        "json5" => Some(Format::Json5),
        _ => None,
    };
    let is_vague = matches!(kind.as_str(), "" | "text/plain" | "application/octet-stream" | "binary/octet-stream");
    let by_name = || Format::from_path(path).ok().filter(|_| is_vague);
    match named.or(by_type).or_else(by_name) {
        Some(format) => Ok((text, format)),
        None if is_vague => {
            let hint = "let the server send a content type, or name the format: `;format=json`";
            refused(Code::UnknownFormat, "the answer does not say what format it has".to_owned(), hint)
        }
        None => {
            let what =
                format!("the answer is of the type `{}`, which is none of JSON, YAML and TOML", kind.escape_default());
            refused(Code::UnknownFormat, what, "name the format if it is one of them: `;format=json`")
        }
    }
}
