//! JSON as Python writes it: with `NaN` and `Infinity`, which JSON itself does not know, and with
//! objects whose order counts. A fault is told by line and column, never in a library's words.

use serde::Serialize;
use serde_json::Value as Json;

/// How the three words of Python's `json` are kept in a tree that knows finite numbers only.
const WORDS: [(&str, &str); 3] = [
    ("-Infinity", "\"\\u0001-Infinity\""),
    ("Infinity", "\"\\u0001Infinity\""),
    ("NaN", "\"\\u0001NaN\""),
];

/// The tree of a text.
pub(crate) fn parse(bytes: &[u8]) -> Result<Json, String> {
    serde_json::from_str(&relaxed(bytes)?).map_err(|e| {
        if e.is_eof() {
            format!("the file ends in the middle of its JSON, in line {}: it is cut off", e.line())
        } else {
            format!("the file is not valid JSON from line {}, column {} on", e.line(), e.column())
        }
    })
}

/// A text in which Python's words are marked strings, so that it is JSON.
pub(crate) fn relaxed(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| format!("the file is not text in UTF-8 (byte {})", e.valid_up_to()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err("the file is empty".to_owned());
    }
    if text.starts_with(LFS_POINTER) {
        return Err(LFS_REASON.to_owned());
    }
    Ok(quoted(text))
}

/// The beginning of the file that Git puts in place of a large one.
pub(crate) const LFS_POINTER: &str = "version https://git-lfs";

/// What to say of such a file.
pub(crate) const LFS_REASON: &str =
    "this is a Git LFS pointer, not the file itself: run `git lfs pull` in its repository";

/// The text of a tree, with Python's words back in their places.
pub(crate) fn to_text(json: &impl Serialize) -> String {
    let mut text =
        serde_json::to_string_pretty(json).expect("plain data with text keys serialises");
    for (word, kept) in WORDS {
        text = text.replace(kept, word);
    }
    text.push('\n');
    text
}

/// A number, whichever of Python's words it may be.
pub(crate) fn number(json: &Json) -> Option<f64> {
    match json.as_str() {
        None => json.as_f64(),
        Some("\u{1}NaN") => Some(f64::NAN),
        Some("\u{1}Infinity") => Some(f64::INFINITY),
        Some("\u{1}-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
    }
}

/// A number as JSON, whether finite or not.
pub(crate) fn from_number(value: f64) -> Json {
    if value.is_finite() {
        return value.into();
    }
    let word = if value.is_nan() {
        "\u{1}NaN"
    } else if value > 0.0 {
        "\u{1}Infinity"
    } else {
        "\u{1}-Infinity"
    };
    word.into()
}

/// A count: a whole number from 0 on, also where it is written as 10.0.
pub(crate) fn count(json: &Json) -> Option<usize> {
    let whole = |v: f64| (v >= 0.0 && v.fract() == 0.0 && v < 9e15).then_some(v as u64);
    let value = json.as_u64().or_else(|| json.as_f64().and_then(whole))?;
    usize::try_from(value).ok()
}

/// What a value is, for people.
pub(crate) fn kind(json: &Json) -> String {
    match json {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(value) => value.to_string(),
        Json::String(_) if number(json).is_some() => "not a number".to_owned(),
        Json::String(text) => format!("the text \"{}\"", shortened(text)),
        Json::Array(items) => format!("a list of {}", items.len()),
        Json::Object(_) => "an object".to_owned(),
    }
}

/// At most 60 characters of a text, without control characters.
pub(crate) fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if text.chars().count() > 60 {
        shown.push('…');
    }
    shown
}

/// The text with Python's words as marked strings.
fn quoted(text: &str) -> String {
    if !WORDS.iter().any(|(word, _)| text.contains(word)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 64);
    let (mut rest, mut in_string, mut escaped) = (text, false, false);
    while let Some(next) = rest.chars().next() {
        if !in_string && let Some((word, kept)) = WORDS.iter().find(|(w, _)| rest.starts_with(w)) {
            out.push_str(kept);
            rest = &rest[word.len()..];
            continue;
        }
        if escaped {
            escaped = false;
        } else if in_string && next == '\\' {
            escaped = true;
        } else if next == '"' {
            in_string = !in_string;
        }
        out.push(next);
        rest = &rest[next.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pythons_words_survive_and_texts_that_look_like_them_are_left_alone() {
        let text = r#"{"a": [NaN, -Infinity, Infinity, 1.5], "NaN \" NaN": "NaN"}"#;
        let json = parse(text.as_bytes()).unwrap();
        assert!(number(&json["a"][0]).unwrap().is_nan());
        assert_eq!(number(&json["a"][1]), Some(f64::NEG_INFINITY));
        assert_eq!(json["NaN \" NaN"], "NaN");
        let written = to_text(&json);
        assert!(written.contains("NaN,") && written.contains("-Infinity,"), "{written}");
        assert_eq!(parse(written.as_bytes()).unwrap(), json);
    }

    #[test]
    fn faults_are_told_without_a_library_s_words() {
        for (text, words) in [
            ("", "is empty"),
            ("{\"a\": ", "cut off"),
            ("{\"a\": x}", "line 1, column 7"),
            ("version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        assert!(parse(&[0xff, 0xfe]).unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn counts_may_be_written_as_floats() {
        let read = |text: &str| count(&parse(text.as_bytes()).unwrap());
        assert_eq!((read("10.0"), read("7"), read("0")), (Some(10), Some(7), Some(0)));
        assert_eq!(
            (read("1e18"), read("-1"), read("2.5"), read("\"3\"")),
            (None, None, None, None)
        );
    }
}
