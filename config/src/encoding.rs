//! From the bytes of a file to its text: UTF-8, with or without the mark that Windows puts in
//! front. What is in another encoding or another language is told apart, so that the message says
//! what the file is and not what it fails to be.

use crate::problem::{Fault, Problem};

/// What some editors put before UTF-8.
const MARK: &str = "\u{feff}";
/// What those that write UTF-16 begin with.
const UTF16_MARKS: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// The text of a file.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, Problem> {
    let refuse = |line: usize, reason: String| Problem {
        line: Some(line),
        key: String::new(),
        found: None,
        fault: Fault::Syntax(reason),
    };
    if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(refuse(1, "it is UTF-16: save it as UTF-8".to_owned()));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix(MARK).unwrap_or(text)),
        Err(error) => {
            let at = error.valid_up_to();
            let line = 1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
            let byte = bytes[at];
            let reason = format!(
                "byte {} of the file, 0x{byte:02X}, is not UTF-8 (Latin-1, perhaps): save it as \
                 UTF-8",
                at + 1
            );
            Err(refuse(line, reason))
        }
    }
}

/// The language that a text looks like which is not TOML.
pub(crate) fn other_language(text: &str) -> Option<&'static str> {
    let line =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let key = line.split_once(':').filter(|(_, value)| value.is_empty() || value.starts_with(' '));
    match line {
        _ if line.starts_with('{') => Some("JSON"),
        _ if line.starts_with('<') => Some("XML"),
        "---" => Some("YAML"),
        _ if key.is_some_and(|(key, _)| {
            key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        }) =>
        {
            Some("YAML")
        }
        _ => None,
    }
}
