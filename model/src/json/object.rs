//! One JSON object of a file, read by key: every refusal names the file, the key with its path,
//! what was found and what would do.
//!
//! `null` counts as absent, as Python's None does for the programs that write these files.

use super::keys::{KeyList, Rule};
use crate::error::ModelError;
use serde_json::{Map, Value};
use std::path::Path;

/// Characters of a value that a message shows.
const SHOWN_CHARS: usize = 60;

/// An object of the file `file`, at `prefix` in it.
#[derive(Clone, Debug)]
pub(crate) struct Object<'a> {
    file: &'a Path,
    prefix: String,
    map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// The object that a file consists of.
    pub fn root(file: &'a Path, value: &'a Value) -> Result<Self, ModelError> {
        Self::at(file, String::new(), value)
    }

    /// The object `value`, which stands at the dotted path `prefix` of the file.
    pub fn at(file: &'a Path, prefix: String, value: &'a Value) -> Result<Self, ModelError> {
        match value {
            Value::Object(map) => Ok(Self { file, prefix, map }),
            other => {
                let key = if prefix.is_empty() { "the whole file".to_owned() } else { prefix };
                Err(refusal(file, key, other, "must be an object"))
            }
        }
    }

    /// The file that it is from.
    pub fn file(&self) -> &'a Path {
        self.file
    }

    /// Its entries as they are.
    pub fn map(&self) -> &'a Map<String, Value> {
        self.map
    }

    /// Refuses keys that would change the answer and are not read here, and those that are not
    /// known at all.
    pub fn check(&self, list: &KeyList) -> Result<(), ModelError> {
        let given = || self.map.iter().filter(|(_, value)| !value.is_null());
        // What is known has better words than what is not.
        for (key, value) in given() {
            match list.rule(key) {
                Some(Rule::Only(accepted, why))
                    if !accepted.iter().any(|wanted| means(value, wanted)) =>
                {
                    let accepted = accepted.join(" or ");
                    return Err(
                        self.refuse(key, format!("{why}; only {accepted} is answered alike"))
                    );
                }
                Some(Rule::Refused(why)) if !is_neutral(value) => {
                    return Err(self.refuse(key, *why));
                }
                _ => {}
            }
        }
        let unknown = |key: &&String| list.rule(key).is_none() && !key.starts_with('_');
        match given().map(|(key, _)| key).find(unknown) {
            None => Ok(()),
            Some(key) => {
                let wanted = format!(
                    "is not among the known keys of {} (docs/files.md) and may change what the \
                     policy answers; remove it if it does not",
                    list.place
                );
                Err(self.refuse(key, wanted))
            }
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A refusal of the value of `key`.
    pub fn refuse(&self, key: &str, wanted: impl Into<String>) -> ModelError {
        refusal(self.file, self.path(key), self.map.get(key).unwrap_or(&Value::Null), wanted)
    }

    /// A refusal because `key` is not there.
    pub fn lacks(&self, key: &str, wanted: &str) -> ModelError {
        ModelError::MissingKey {
            file: self.file.to_owned(),
            key: self.path(key),
            wanted: wanted.to_owned(),
        }
    }

    /// The object `key`.
    pub fn object(&self, key: &str) -> Result<Option<Object<'a>>, ModelError> {
        self.get(key).map(|value| Object::at(self.file, self.path(key), value)).transpose()
    }

    /// The whole number `key`.
    pub fn integer(&self, key: &str) -> Result<Option<i64>, ModelError> {
        self.read(key, "must be a whole number", integer)
    }

    /// The number `key`; it may be NaN or infinite.
    pub fn number(&self, key: &str) -> Result<Option<f64>, ModelError> {
        self.read(key, "must be a number", number)
    }

    /// The truth value `key`.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, ModelError> {
        self.read(key, "must be true or false", boolean)
    }

    /// The text `key`.
    pub fn text(&self, key: &str) -> Result<Option<String>, ModelError> {
        self.read(key, "must be a text", |value| value.as_str().map(str::to_owned))
    }

    /// The list `key`, each item read by `item`.
    pub fn list<T>(
        &self,
        key: &str,
        wanted: &str,
        item: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<Vec<T>>, ModelError> {
        self.read(key, wanted, |value| value.as_array()?.iter().map(item).collect())
    }

    /// The value of `key` as `read` understands it.
    pub fn read<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ModelError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| self.refuse(key, wanted)),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}.{key}", self.prefix) }
    }
}

/// A whole number; one with a zero fraction is one too.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 1e15).then_some(number);
    value.as_i64().or_else(|| value.as_f64().and_then(whole).map(|number| number as i64))
}

/// A number, or what Python writes for one that JSON does not have.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
        None => value.as_f64(),
    }
}

/// A truth value; numbers count as in Python where they are 0 or 1.
pub(crate) fn boolean(value: &Value) -> Option<bool> {
    match (value.as_bool(), value.as_f64()) {
        (Some(value), _) => Some(value),
        (None, Some(0.0)) => Some(false),
        (None, Some(1.0)) => Some(true),
        _ => None,
    }
}

fn refusal(file: &Path, key: String, found: &Value, wanted: impl Into<String>) -> ModelError {
    ModelError::Key { file: file.to_owned(), key, found: shown(found), wanted: wanted.into() }
}

/// The beginning of a value, as it stands in the file.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Whether a value switches nothing on.
pub(crate) fn is_neutral(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(true) => false,
    }
}

/// Whether `value` is the one that `wanted` says: a text, a number, a truth value.
fn means(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Number(number) => {
            wanted.parse().is_ok_and(|wanted: f64| number.as_f64() == Some(wanted))
        }
        Value::Bool(value) => value.to_string() == wanted,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}
