//! A camera's newest picture as an answer: the camera's own JPEG, or PNG where it gave pixels.

use super::body::refusal;
use crate::Daemon;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jaco_api::picture::{AGE_MS, BRIGHTNESS, CAPTURED_NS, FAULT, SIZE};
use jaco_camera::{brightness, file};
use std::sync::Arc;

/// `GET /v1/cameras/NAME/picture`.
pub async fn picture(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Response {
    let Some(camera) = daemon.camera(&name) else {
        let names = daemon.camera_names().join(", ");
        let why = format!("there is no camera {name:?}; there is {names}");
        return refusal(StatusCode::NOT_FOUND, why);
    };
    let fault = camera.health().fault;
    let Some(frame) = camera.frames.get() else {
        let why = fault.unwrap_or_else(|| "it is being opened".to_owned());
        let why = format!("the camera {name} has given no picture yet: {why}");
        return refusal(StatusCode::CONFLICT, why);
    };
    let age_ms = daemon.age_ms(frame.captured_ns);
    let said = [
        (CAPTURED_NS, frame.captured_ns.to_string()),
        (AGE_MS, format!("{age_ms:.1}")),
        (SIZE, format!("{}x{}", frame.width, frame.height)),
        (BRIGHTNESS, format!("{:.1}", brightness(&frame.rgb))),
    ];
    // Encoding takes milliseconds, which the other requests need not wait for.
    let encoded = tokio::task::spawn_blocking(move || match &frame.jpeg {
        Some(jpeg) => Ok(("image/jpeg", jpeg.to_vec())),
        None => file::png(&frame).map(|bytes| ("image/png", bytes)),
    });
    let (kind, bytes) = match encoded.await {
        Ok(Ok(encoded)) => encoded,
        Ok(Err(error)) => return refusal(StatusCode::CONFLICT, error.to_string()),
        Err(error) => return refusal(StatusCode::CONFLICT, error.to_string()),
    };
    let mut response = ([(header::CONTENT_TYPE, kind)], bytes).into_response();
    let fault = fault.map(|fault| (FAULT, fault));
    for (name, text) in said.into_iter().chain(fault) {
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}
