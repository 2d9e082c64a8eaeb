//! Answers that last: one JSON object a line, for as long as there is something to tell and
//! somebody who reads.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use http_body_util::channel::Channel;
use hyper::body::Bytes;
use serde::Serialize;

/// An answer whose lines `next` gives until it gives none. It is dropped when the reader goes
/// away before.
pub fn stream<T: Serialize + Send>(mut next: impl AsyncNext<T> + Send + 'static) -> Response {
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    tokio::spawn(async move {
        while let Some(value) = next.next().await {
            let Ok(mut line) = serde_json::to_vec(&value) else { continue };
            line.push(b'\n');
            if sender.send_data(line.into()).await.is_err() {
                return;
            }
        }
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::new(body)).into_response()
}

/// Something that gives one value after the other.
pub trait AsyncNext<T> {
    /// The next value; none at the end.
    fn next(&mut self) -> impl Future<Output = Option<T>> + Send;
}

impl<T: Send> AsyncNext<T> for tokio::sync::mpsc::Receiver<T> {
    async fn next(&mut self) -> Option<T> {
        self.recv().await
    }
}

impl AsyncNext<jaco_api::Event> for crate::events::Listener {
    async fn next(&mut self) -> Option<jaco_api::Event> {
        crate::events::Listener::next(self).await
    }
}
