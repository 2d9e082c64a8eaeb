//! Requests into calls of [`Daemon`], and its answers into JSON. Decides nothing.

use super::body::{Body, refusal};
use super::lines::stream;
use super::picture::picture;
use crate::Daemon;
use crate::operate::No;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jaco_api::{Done, Failed, Order, ReplayRequest, RunRequest, Saved, SessionRequest, Steer};
use jaco_core::Verdict;
use std::sync::Arc;

/// Longest body of a request: far beyond any instruction.
const MOST_BODY_BYTES: usize = 64 * 1024;
/// Longest body of a replay: an hour of actions.
const MOST_REPLAY_BYTES: usize = 16 * 1024 * 1024;

type Shared = State<Arc<Daemon>>;

/// All that can be asked.
pub fn router(daemon: Arc<Daemon>) -> Router {
    Router::new()
        .route("/v1/status", get(async |State(daemon): Shared| Json(daemon.status())))
        .route("/v1/events", get(async |State(daemon): Shared| stream(daemon.listen())))
        .route("/v1/cameras/{name}/picture", get(picture))
        .route("/v1/home", post(async |State(daemon): Shared| answer(daemon.home().await)))
        .route("/v1/hold", post(async |State(daemon): Shared| answer(daemon.hold().await)))
        // A stop goes on whether or not anybody waits for its end.
        .route("/v1/stop", post(async |State(daemon): Shared| stream(daemon.stop())))
        .route("/v1/reset", post(async |State(daemon): Shared| answer(daemon.reset().await)))
        .route("/v1/release", post(async |State(daemon): Shared| answer(daemon.release().await)))
        .route("/v1/take", post(async |State(daemon): Shared| answer(daemon.take().await)))
        .route("/v1/log/save", post(save_log))
        .route("/v1/session", post(session))
        .route("/v1/session/order", post(order))
        .route("/v1/session/steer", post(steer))
        .route("/v1/replay", post(replay).layer(DefaultBodyLimit::max(MOST_REPLAY_BYTES)))
        .route("/v1/run", post(run))
        .route("/v1/run/finish", post(finish))
        .fallback(no_such_request)
        .method_not_allowed_fallback(no_such_request)
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .with_state(daemon)
}

async fn no_such_request(method: Method, uri: Uri) -> Response {
    let why = format!("there is no request {method} {}", uri.path());
    refusal(StatusCode::NOT_FOUND, why)
}

async fn finish(State(daemon): Shared, Body(verdict): Body<Verdict>) -> Response {
    answer(daemon.finish(verdict))
}

async fn save_log(State(daemon): Shared) -> Response {
    match daemon.save_log().await {
        Ok(file) => Json(Saved { file }).into_response(),
        Err(no) => answer(Err(no)),
    }
}

async fn run(State(daemon): Shared, Body(request): Body<RunRequest>) -> Response {
    // It opens files: a slow disk must not delay the others.
    let begun = tokio::task::spawn_blocking(move || daemon.run(&request)).await;
    match begun {
        Ok(Ok(outbox)) => stream(outbox),
        Ok(Err(no)) => answer(Err(no)),
        Err(error) => answer(Err(No::Failed(format!("the run could not begin: {error}")))),
    }
}

async fn session(State(daemon): Shared, Body(request): Body<SessionRequest>) -> Response {
    // It opens a dataset: a slow disk must not delay the others.
    let begun = tokio::task::spawn_blocking(move || daemon.session(&request)).await;
    match begun {
        Ok(Ok(outbox)) => stream(outbox),
        Ok(Err(no)) => answer(Err(no)),
        Err(error) => answer(Err(No::Failed(format!("the session could not begin: {error}")))),
    }
}

async fn order(State(daemon): Shared, Body(order): Body<Order>) -> Response {
    answer(daemon.order(order))
}

async fn steer(State(daemon): Shared, Body(steer): Body<Steer>) -> Response {
    answer(daemon.steer(steer))
}

async fn replay(State(daemon): Shared, Body(request): Body<ReplayRequest>) -> Response {
    match daemon.replay(request) {
        Ok(outbox) => stream(outbox),
        Err(no) => answer(Err(no)),
    }
}

fn answer(done: Result<String, No>) -> Response {
    match done {
        Ok(done) => Json(Done { done }).into_response(),
        Err(No::Refused(refused)) => refusal(StatusCode::CONFLICT, refused),
        Err(No::Failed(failed)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(Failed { failed })).into_response()
        }
    }
}
