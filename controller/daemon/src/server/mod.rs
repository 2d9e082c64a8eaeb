//! The API's socket: bound, accepted on, drained. [`routes`] says what is answered.
//!
//! A client can do no more than hold one connection: headers must come within a time, bodies are
//! small, answers that nobody reads wait on their own task, and at the end whatever is still open
//! is dropped after a deadline.

mod body;
mod lines;
mod picture;
mod routes;

use crate::Daemon;
use crate::ending::DRAIN_TIME;
use anyhow::bail;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use jaco_shell::args::Unusable;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};

/// The part of the fault board.
const PART: &str = "api";
/// Time in which a request's header must have come, and in which an idle connection must ask
/// again.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Pause before the next client is accepted when one could not be: descriptors are used up.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// Binds the API's socket; replaces what a dead daemon left there.
pub async fn bind(socket: &Path) -> anyhow::Result<UnixListener> {
    let name = socket.display();
    if let Ok(metadata) = std::fs::symlink_metadata(socket) {
        if !metadata.file_type().is_socket() {
            return Err(Unusable(format!("{name} exists and is not a socket: move it away")).into());
        }
        if UnixStream::connect(socket).await.is_ok() {
            bail!("another daemon listens on {name}");
        }
        std::fs::remove_file(socket).map_err(|error| {
            Unusable::path(format!("cannot replace the old socket {name}"), error)
        })?;
    }
    if let Some(folder) = socket.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            Unusable::path(format!("cannot create {}", folder.display()), error)
        })?;
    }
    let refused = |error| Unusable::path(format!("cannot listen on {name}"), error);
    let listener = UnixListener::bind(socket).map_err(refused)?;
    // Whoever is in the daemon's group may operate; connecting needs the right to write.
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o660)).map_err(refused)?;
    Ok(listener)
}

/// Lets the process have as many descriptors as it is allowed: each client needs one.
pub fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!("the limit of open files stays as it is: {error}");
    }
}

/// Serves until `ended` is done. `ending` comes before: from then on no client is accepted.
pub async fn serve(
    listener: UnixListener,
    daemon: Arc<Daemon>,
    ending: impl Future<Output = ()>,
    ended: impl Future<Output = ()>,
) {
    let router = routes::router(Arc::clone(&daemon));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
    let graceful = GracefulShutdown::new();
    let mut clients = tokio::task::JoinSet::new();
    tokio::pin!(ending);
    loop {
        tokio::select! {
            () = &mut ending => break,
            Some(_) = clients.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    daemon.faults.set(PART, None);
                    let service = TowerToHyperService::new(router.clone());
                    let connection = http.serve_connection(TokioIo::new(stream), service);
                    let connection = graceful.watch(connection);
                    clients.spawn(async move {
                        // What a client does wrong is its own affair.
                        if let Err(error) = connection.await {
                            tracing::debug!("a client's connection ended: {error}");
                        }
                    });
                }
                Err(error) => {
                    daemon.faults.set(PART, Some(format!("cannot accept a client: {error}")));
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
        }
    }
    drop(listener);
    ended.await;
    if tokio::time::timeout(DRAIN_TIME, graceful.shutdown()).await.is_err() {
        tracing::warn!("clients that do not finish their requests are dropped");
    }
    clients.shutdown().await;
}
