//! A request's body as one of the API's words, or the refusal that says what is wrong with it.
//! Whatever is asked, a refusal is [`Refused`] in JSON.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::body::Bytes;
use jaco_api::Refused;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// The body, which is JSON whatever its content type says.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let bytes = Bytes::from_request(request, state).await.map_err(not_received)?;
        serde_json::from_slice(&bytes)
            .map(Body)
            .map_err(|error| refusal(StatusCode::BAD_REQUEST, fault(&error)))
    }
}

/// The answer to what is refused and changed nothing.
pub fn refusal(status: StatusCode, refused: String) -> Response {
    (status, Json(Refused { refused })).into_response()
}

fn not_received(rejection: BytesRejection) -> Response {
    let status = rejection.status();
    let why = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "the body is longer than any request's",
        _ => "the body did not come whole",
    };
    refusal(status, why.to_owned())
}

/// What is wrong with a body, without the parser's own count of lines.
fn fault(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _place)| what);
    match error.classify() {
        Category::Data => {
            let text = text.strip_prefix("invalid type: ").unwrap_or(text);
            let text = text.strip_prefix("invalid value: ").unwrap_or(text);
            format!("the body does not fit the request: {text}")
        }
        Category::Eof => "the body is JSON that breaks off".to_owned(),
        Category::Syntax | Category::Io => format!("the body is not JSON: {text}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_api::RunRequest;

    fn said_of(body: &str) -> String {
        fault(&serde_json::from_str::<RunRequest>(body).unwrap_err())
    }

    /// Found by the fuzz target `http_api`: such bodies were answered with a parser's line in
    /// plain text, which `jaco` could only call an unexpected answer.
    #[test]
    fn a_body_that_does_not_fit_is_refused_in_words() {
        for (body, words) in [
            ("{}", "the body does not fit the request: missing field `instruction`"),
            (
                r#"{"instruction":"push","horizon":-1}"#,
                "the body does not fit the request: integer `-1`, expected usize",
            ),
            (
                r#"{"instruction":3}"#,
                "the body does not fit the request: integer `3`, expected a string",
            ),
            (r#"{"instruction":"push"#, "the body is JSON that breaks off"),
            ("push", "the body is not JSON: expected value"),
        ] {
            assert_eq!(said_of(body), words);
        }
        let unknown = said_of(r#"{"instruction":"push","horizn":4}"#);
        assert!(unknown.contains("unknown field `horizn`, expected one of"), "{unknown}");
    }
}
