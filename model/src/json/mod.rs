//! Small files that other programs wrote: JSON as Python writes it.
//!
//! Owns opening them (links, pointers, half downloads are named for what they are), and their
//! text as a value; [`object`] reads that by key, [`keys`] says which keys mean what. Must never
//! know what a value is for.

pub(crate) mod keys;
pub(crate) mod object;

pub(crate) use object::Object;

use crate::error::{FileProblem, ModelError};
use serde_json::Value;
use serde_json::error::Category;
use std::borrow::Cow;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// What a Git LFS pointer begins with.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// Characters around a fault that a message shows.
const SHOWN_CHARS: usize = 24;
/// What Python writes for numbers that JSON does not have, and as what they are read here.
const NOT_FINITE: [(&str, &str); 3] =
    [("NaN", "\"NaN\""), ("-Infinity", "\"-Infinity\""), ("Infinity", "\"Infinity\"")];

/// Whether `path` names something, be it a link to nothing.
pub(crate) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The value of the JSON file at `path`.
pub(crate) fn read(path: &Path) -> Result<Value, ModelError> {
    let refuse = |problem| ModelError::File { path: path.to_owned(), problem };
    let bytes = bytes(path)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let text = std::str::from_utf8(text).map_err(|_| refuse(FileProblem::NotText))?;
    parse(text).map_err(refuse)
}

/// The bytes of the file at `path`, which must be a file that somebody meant to be read.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, ModelError> {
    check_link(path)?;
    let io = ModelError::io(path);
    let refuse = |problem| ModelError::File { path: path.to_owned(), problem };
    let kind = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return Err(io(error)),
    };
    if !kind.is_file() {
        return Err(refuse(FileProblem::NotAFile));
    }
    let bytes = fs::read(path).map_err(io)?;
    match impostor(&bytes) {
        Some(problem) => Err(refuse(problem)),
        None => Ok(bytes),
    }
}

/// Refuses a link that leads nowhere, as a download that was cut off leaves in a hub cache.
pub(crate) fn check_link(path: &Path) -> Result<(), ModelError> {
    match (fs::read_link(path), fs::metadata(path)) {
        (Ok(target), Err(error)) if error.kind() == ErrorKind::NotFound => Err(ModelError::File {
            path: path.to_owned(),
            problem: FileProblem::DanglingLink { target },
        }),
        _ => Ok(()),
    }
}

/// What stands in a file's place where the file itself should be.
pub(crate) fn impostor(bytes: &[u8]) -> Option<FileProblem> {
    if bytes.is_empty() {
        return Some(FileProblem::Empty);
    }
    if bytes.starts_with(LFS_POINTER) {
        return Some(FileProblem::LfsPointer);
    }
    let start = bytes.trim_ascii_start();
    let is_page = [&b"<!doctype"[..], b"<html", b"<?xml"]
        .iter()
        .any(|page| start.get(..page.len()).is_some_and(|start| start.eq_ignore_ascii_case(page)));
    is_page.then_some(FileProblem::WebPage)
}

/// The value of `text`, in which Python's NaN and Infinity become texts of that name.
fn parse(text: &str) -> Result<Value, FileProblem> {
    let strict = strict(text);
    serde_json::from_str(&strict).map_err(|error| match error.classify() {
        Category::Eof => FileProblem::Truncated,
        _ => {
            let line = strict.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
            // The library counts bytes.
            let before = line.get(..error.column().min(line.len())).unwrap_or_default();
            let first = before.chars().count().saturating_sub(SHOWN_CHARS / 2);
            let near = line.chars().skip(first).take(SHOWN_CHARS).collect();
            FileProblem::NotJson { line: error.line(), near }
        }
    })
}

/// `text` with Python's not-a-numbers in quotes.
fn strict(text: &str) -> Cow<'_, str> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 64);
    let (mut rest, mut quoted) = (text, false);
    'next: while let Some(c) = rest.chars().next() {
        if !quoted {
            for (word, replacement) in NOT_FINITE {
                if let Some(behind) = rest.strip_prefix(word) {
                    out.push_str(replacement);
                    rest = behind;
                    continue 'next;
                }
            }
        }
        let mut taken = c.len_utf8();
        match c {
            '"' => quoted = !quoted,
            // Whatever is escaped ends no text.
            '\\' => taken += rest[taken..].chars().next().map_or(0, char::len_utf8),
            _ => {}
        }
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read_text(text: &[u8]) -> Result<Value, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, text).unwrap();
        read(&path).map_err(|error| match error {
            ModelError::File { problem, .. } => problem.to_string(),
            other => other.to_string(),
        })
    }

    #[test]
    fn numbers_that_json_does_not_have_are_read_as_python_writes_them() {
        let value = read_text(br#"{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \" NaN"}"#);
        let wanted = json!({"a": "NaN", "b": ["-Infinity", "Infinity"], "c": "NaN \" NaN"});
        assert_eq!(value.unwrap(), wanted);
    }

    /// transformers #27923: "expected value at line 1 column 1".
    #[test]
    fn what_stands_in_a_files_place_is_named() {
        for (text, wanted) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n"[..], "git lfs pull"),
            (b"", "is empty"),
            (b"\n <!DOCTYPE html><html>", "web page"),
            (b"{\"a\": [1, 2", "ends in the middle"),
            (b"{\"a\": 1,}", "is not JSON in line 1, near"),
            (b"\xff\xfe{\0}\0", "not UTF-8"),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.contains(wanted), "{error}");
            assert!(!error.contains("column"), "{error}");
        }
        assert_eq!(read_text(b"\xef\xbb\xbf{}").unwrap(), json!({}));
    }

    #[test]
    fn links_to_nothing_folders_and_absence_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("config.json");
        std::os::unix::fs::symlink("../../blobs/4d7a", &link).unwrap();
        let error = read(&link).unwrap_err().to_string();
        assert!(error.contains("is a link to ../../blobs/4d7a, which is not there"), "{error}");
        assert!(is_there(&link) && !is_there(&folder.path().join("other")));
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is not a file"), "{error}");
    }

    proptest! {
        #[test]
        fn json_stays_what_it_is(text in "[\"\\\\NaInfity{}:, é]{0,60}") {
            let direct: Option<Value> = serde_json::from_str(&text).ok();
            if let Some(direct) = direct {
                prop_assert_eq!(parse(&text).ok(), Some(direct));
            }
        }
    }
}
