//! JSON as the control channel speaks it: a value is one line, an error one sentence.

use crate::LinkError;
use serde::Serialize;

/// The `what` that `text` is.
pub fn parse<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, LinkError> {
    serde_json::from_str(text)
        .map_err(|error| LinkError::Malformed { what, detail: without_place(&error) })
}

/// `value` as one line.
pub fn line(value: &impl Serialize) -> Result<String, LinkError> {
    serde_json::to_string(value).map_err(|error| LinkError::Malformed {
        what: "control message",
        detail: error.to_string(),
    })
}

/// What a parser says, without its place: a message is one line.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _place)| what).to_owned()
}
