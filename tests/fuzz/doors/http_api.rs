//! Door: the daemon's HTTP API, as any client on its socket may use it. The real server on a real
//! socket, of a daemon whose arm does not answer. Every connection ends when its client has said
//! all; a request that is whole is answered, and a refusal is JSON with words for people.
//!
//! Input: a byte that chooses, then 0: all that a client sends; 1, 2: the body of a `POST` to
//! `/v1/run`, `/v1/run/finish`; 3: a path.

use super::promise;
use jaco_api::{Failed, Refused};
use jaco_config::Config;
use jaco_core::MonotonicClock;
use jaco_daemon::server;
use std::cell::LazyCell;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

/// Time in which a connection must have come to its end; far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(8);

pub fn open(data: &[u8]) {
    let Some((what, rest)) = data.split_first() else { return };
    DAEMON.with(|daemon| match what % 4 {
        0 => _ = daemon.ask(rest, true),
        1 => daemon.must_answer("/v1/run", rest),
        2 => daemon.must_answer("/v1/run/finish", rest),
        _ => {
            // What is no path at all is refused below the API, without words.
            let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~/%?&=".contains(byte);
            // These two go on for as long as somebody listens, or waits for an arm.
            let lasts = rest.starts_with(b"events") || rest.starts_with(b"stop");
            if let (true, false, Ok(path)) =
                (rest.iter().all(legal), lasts, std::str::from_utf8(rest))
            {
                daemon.must_answer(&format!("/v1/{path}"), b"{}");
            }
        }
    });
}

struct Daemon {
    runtime: Runtime,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

thread_local! {
    static DAEMON: LazyCell<Daemon> = LazyCell::new(Daemon::start);
}

impl Daemon {
    /// Without an SDK, a servo, a camera or a policy: their faults are what it tells of.
    fn start() -> Self {
        let folder = promise::folder();
        let socket = folder.path().join("jacod.sock");
        let text = format!(
            "[paths]\ndata_dir = \"{0}\"\n[api]\nsocket = \"{0}/jacod.sock\"\n\
             [arm]\nsdk = \"{0}/none.so\"\n\
             [[camera]]\nname = \"front\"\nsource = \"v4l\"\ndevice = 255\n",
            folder.path().display()
        );
        let config = Config::parse(&text, "fuzz.toml").expect("a sound configuration");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(async {
            let listener = server::bind(&socket).await.expect("an own socket");
            let started = jaco_daemon::start(config, Arc::new(MonotonicClock), |why| {
                panic!("a part without which the daemon is of no use has ended: {why}")
            });
            let (daemon, supervisor) = started.expect("a daemon without an arm");
            // It ends with the process.
            std::mem::forget(supervisor);
            tokio::spawn(server::serve(listener, daemon, pending(), pending()));
        });
        Self { runtime, socket, _folder: folder }
    }

    /// All that comes back for `bytes`; `ends` tells whether the client closes its side then.
    fn ask(&self, bytes: &[u8], ends: bool) -> Vec<u8> {
        self.runtime.block_on(async {
            let mut stream = UnixStream::connect(&self.socket).await.expect("it listens");
            // A server that has heard enough may have closed already.
            let _ = stream.write_all(bytes).await;
            if ends {
                let _ = stream.shutdown().await;
            }
            let mut answer = Vec::new();
            let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
            assert!(read.is_ok(), "not over after {PATIENCE:?}; so far: {}", shown(&answer));
            answer
        })
    }

    fn must_answer(&self, path: &str, body: &[u8]) {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: jacod\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let answer = self.ask(&request, false);
        let answer = String::from_utf8(answer).expect("answers are text");
        let (head, said) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status != "200" {
            let why = serde_json::from_str(said)
                .map(|Refused { refused }| refused)
                .or_else(|_| serde_json::from_str(said).map(|Failed { failed }| failed));
            let why = why.unwrap_or_else(|_| panic!("{status} is not told in JSON: {said:?}"));
            promise::is_for_people(&why, &request);
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
