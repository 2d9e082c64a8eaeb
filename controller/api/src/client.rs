//! Client of the daemon's API: HTTP/1.1 over its Unix socket.

use crate::{Failed, Refused};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens on the socket.
    #[error("no daemon answers on {}: {error} ({})", socket.display(), advice(error))]
    NoDaemon {
        /// The socket tried.
        socket: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The daemon said no.
    #[error("refused: {0}")]
    Refused(String),
    /// The daemon began and did not get to the end.
    #[error("{0}")]
    Failed(String),
    /// The daemon, or what listens there, answered something else.
    #[error("unexpected answer from the daemon: {0}")]
    Protocol(String),
}

fn advice(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{ConnectionRefused, InvalidInput, NotFound, PermissionDenied};
    match error.kind() {
        PermissionDenied => {
            "you are not in the daemon's group: `sudo usermod -aG jacod $USER`, then log in again"
        }
        NotFound => {
            "there is no such socket: is jacod running? `systemctl status jacod`; --socket or \
             JACO_SOCKET names another"
        }
        ConnectionRefused => {
            "nobody serves it any more: is jacod running? `systemctl status jacod`"
        }
        InvalidInput => "a socket's path has at most 107 bytes",
        _ => "is jacod running? `systemctl status jacod`",
    }
}

/// A client of one daemon.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon that listens on `socket`.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// `GET path`.
    pub async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, ClientError> {
        let response = self.send("GET", path, Bytes::new()).await?;
        read_all(response).await
    }

    /// `GET path` whose answer is no JSON: its headers, and its bytes.
    pub async fn get_bytes(&self, path: &str) -> Result<(HeaderMap, Bytes), ClientError> {
        let response = self.send("GET", path, Bytes::new()).await?;
        if !response.status().is_success() {
            let refused: Result<serde_json::Value, _> = read_all(response).await;
            return Err(refused.err().unwrap_or_else(|| ClientError::Protocol("no bytes".into())));
        }
        let headers = response.headers().clone();
        let bytes = response.into_body().collect().await.map_err(protocol)?.to_bytes();
        Ok((headers, bytes))
    }

    /// `POST path` with `body` as JSON.
    pub async fn post<B: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<A, ClientError> {
        let response = self.send("POST", path, json(body)?).await?;
        read_all(response).await
    }

    /// `POST path` with `body` as JSON; the answer comes line by line.
    pub async fn post_lines<B: Serialize>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<Lines, ClientError> {
        lines(self.send("POST", path, json(body)?).await?).await
    }

    /// `GET path`; the answer comes line by line.
    pub async fn get_lines(&self, path: &str) -> Result<Lines, ClientError> {
        lines(self.send("GET", path, Bytes::new()).await?).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| ClientError::NoDaemon { socket: self.socket.clone(), error })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(protocol)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "jacod")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(protocol)?;
        sender.send_request(request).await.map_err(protocol)
    }
}

/// An answer that comes line by line.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    pending: Vec<u8>,
}

impl Lines {
    /// The next line as JSON; none at the end of the answer.
    pub async fn next<A: DeserializeOwned>(&mut self) -> Result<Option<A>, ClientError> {
        loop {
            if let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return serde_json::from_slice(&line).map(Some).map_err(protocol);
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.map_err(protocol)?.into_data() {
                        self.pending.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

async fn lines(response: Response<Incoming>) -> Result<Lines, ClientError> {
    if response.status() == StatusCode::OK {
        return Ok(Lines { body: response.into_body(), pending: Vec::new() });
    }
    let refused: Result<serde_json::Value, _> = read_all(response).await;
    Err(refused.err().unwrap_or_else(|| ClientError::Protocol("no stream".to_owned())))
}

async fn read_all<A: DeserializeOwned>(response: Response<Incoming>) -> Result<A, ClientError> {
    let status = response.status();
    let bytes = response.into_body().collect().await.map_err(protocol)?.to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&bytes).map_err(protocol);
    }
    if let Ok(Refused { refused }) = serde_json::from_slice(&bytes) {
        return Err(ClientError::Refused(refused));
    }
    match serde_json::from_slice(&bytes) {
        Ok(Failed { failed }) => Err(ClientError::Failed(failed)),
        Err(_) => Err(ClientError::Protocol(format!("HTTP status {status}"))),
    }
}

fn json<B: Serialize>(body: &B) -> Result<Bytes, ClientError> {
    serde_json::to_vec(body).map(Bytes::from).map_err(protocol)
}

fn protocol(error: impl std::fmt::Display) -> ClientError {
    ClientError::Protocol(error.to_string())
}
