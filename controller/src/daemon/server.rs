//! The daemon's HTTP API on its Unix socket. Turns requests into calls of [`Daemon`] and its
//! answers into JSON; decides nothing.

use crate::api::{Done, Refused, RunEvent, RunRequest, Verdict};
use crate::daemon::Daemon;
use crate::daemon::mode::Request;
use anyhow::{Context, bail};
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_body_util::channel::Channel;
use hyper::body::Bytes;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

/// Events of a run that may wait for a slow reader.
const EVENT_DEPTH: usize = 64;

/// Binds the API's socket; replaces what a dead daemon left there.
pub async fn bind(socket: &Path) -> anyhow::Result<UnixListener> {
    if let Ok(metadata) = std::fs::symlink_metadata(socket) {
        if !metadata.file_type().is_socket() {
            bail!("{} exists and is not a socket: move it away", socket.display());
        }
        if UnixStream::connect(socket).await.is_ok() {
            bail!("another daemon listens on {}", socket.display());
        }
        std::fs::remove_file(socket)
            .with_context(|| format!("cannot replace the old socket {}", socket.display()))?;
    }
    if let Some(folder) = socket.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    UnixListener::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))
}

/// Serves until `ending` is done.
pub async fn serve(
    listener: UnixListener,
    daemon: Arc<Daemon>,
    ending: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/v1/status", get(async |State(daemon): State<Arc<Daemon>>| Json(daemon.status())))
        .route("/v1/home", post(|state| operate(state, Request::Home)))
        .route("/v1/hold", post(|state| operate(state, Request::Hold)))
        .route("/v1/stop", post(|state| operate(state, Request::Stop)))
        .route("/v1/reset", post(|state| operate(state, Request::Reset)))
        .route("/v1/run", post(run))
        .route("/v1/run/finish", post(finish))
        .with_state(daemon);
    axum::serve(listener, router).with_graceful_shutdown(ending).await?;
    Ok(())
}

/// On a thread of its own: homing lasts many seconds, and a stop must not wait behind it.
async fn operate(State(daemon): State<Arc<Daemon>>, request: Request) -> Response {
    let done = tokio::task::spawn_blocking(move || daemon.operate(request)).await;
    answer(done.unwrap_or_else(|error| Err(format!("the request was not carried out: {error}"))))
}

async fn finish(State(daemon): State<Arc<Daemon>>, Json(verdict): Json<Verdict>) -> Response {
    answer(daemon.finish(verdict))
}

async fn run(State(daemon): State<Arc<Daemon>>, Json(request): Json<RunRequest>) -> Response {
    let (events, mut outbox) = mpsc::channel::<RunEvent>(EVENT_DEPTH);
    if let Err(reason) = daemon.run(request, events) {
        return refused(reason);
    }
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    tokio::spawn(async move {
        while let Some(event) = outbox.recv().await {
            let Ok(mut line) = serde_json::to_vec(&event) else { continue };
            line.push(b'\n');
            if sender.send_data(line.into()).await.is_err() {
                // Whoever asked for the run is gone: nobody watches it any more.
                let detail = "the client of the run went away".to_owned();
                let _ = daemon.finish(Verdict { success: None, detail });
                return;
            }
        }
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::new(body)).into_response()
}

fn answer(done: Result<String, String>) -> Response {
    match done {
        Ok(done) => Json(Done { done }).into_response(),
        Err(reason) => refused(reason),
    }
}

fn refused(reason: String) -> Response {
    (StatusCode::CONFLICT, Json(Refused { refused: reason })).into_response()
}
