//! Door: what crosses the simulator's socket, both directions. Whatever comes is read or refused
//! in words, nothing beyond the limits is allocated, and what is read is written back to the same.
//!
//! Input: a byte that chooses the side, then the stream: 0 what the simulator hears, 1 what a
//! camera's client hears, 2 what a control client hears.

use super::promise;
use jaco_sim_link::camera::{CameraRequest, MAX_REQUEST_BYTES, MAX_SIDE_PIXELS};
use jaco_sim_link::control::{MAX_LINE_BYTES, Reply, Request};
use jaco_sim_link::sdk::{self, Call, MAX_PAYLOAD_BYTES};
use jaco_sim_link::{
    CameraClient, Channel, ControlClient, LinkError, Message, read_hello, read_line,
};
use std::cell::LazyCell;
use std::io::{Cursor, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

pub fn open(data: &[u8]) {
    let Some((side, stream)) = data.split_first() else { return };
    let ended = match side % 3 {
        0 => simulator_hears(stream),
        1 => camera_client_hears(stream),
        _ => control_client_hears(stream),
    };
    if let Err(error) = ended {
        promise::is_for_people(&error.to_string(), stream);
    }
}

/// As the simulator's connections do.
fn simulator_hears(stream: &[u8]) -> Result<(), LinkError> {
    let mut reader = Cursor::new(stream);
    match read_hello(&mut reader)? {
        Channel::Sdk => {
            while let Some(message) = Message::read(&mut reader, MAX_PAYLOAD_BYTES)? {
                let call = Call::decode(&message)?;
                assert_eq!(call.encode(), message);
                let reply = sdk::Reply::decode(message);
                assert_eq!(sdk::Reply::decode(reply.clone().encode()), reply);
            }
        }
        Channel::Camera => {
            let line = read_line(&mut reader, MAX_REQUEST_BYTES)?.ok_or(LinkError::Closed)?;
            let request = CameraRequest::parse(&line)?;
            assert!((1..=MAX_SIDE_PIXELS).contains(&request.width));
            assert!((1..=MAX_SIDE_PIXELS).contains(&request.height));
            let written = serde_json::to_string(&request).expect("a request is JSON");
            assert_eq!(CameraRequest::parse(&written)?, request);
        }
        Channel::Control => {
            while let Some(line) = read_line(&mut reader, MAX_LINE_BYTES)? {
                let request = Request::parse(&line)?;
                let written = serde_json::to_string(&request).expect("a request is JSON");
                assert_eq!(Request::parse(&written)?, request);
            }
        }
    }
    Ok(())
}

fn camera_client_hears(stream: &[u8]) -> Result<(), LinkError> {
    let request = CameraRequest { camera: "front".into(), width: 4, height: 2, rate_hz: 10.0 };
    WIRE.with(|wire| {
        let mut client = CameraClient::connect(&wire.path, &request)?;
        let _server = wire.says(stream);
        loop {
            let frame = client.next_frame(Duration::from_secs(5))?;
            assert_eq!(
                frame.rgb.len() as u64,
                u64::from(frame.width) * u64::from(frame.height) * 3
            );
        }
    })
}

fn control_client_hears(stream: &[u8]) -> Result<(), LinkError> {
    if let Some(Ok(reply)) = stream.split(|b| *b == b'\n').next().map(serde_json::from_slice) {
        let reply: Reply = reply;
        let line = reply.line()?;
        assert!(!line.contains('\n'));
        let again: Reply = serde_json::from_str(&line).expect("what was written is read");
        assert_eq!(again, reply);
    }
    WIRE.with(|wire| {
        let mut client = ControlClient::connect(&wire.path)?;
        let _server = wire.says(stream);
        client.status().map(|_| ())?;
        client.outcome().map(|_| ())?;
        client.demonstrate().map(|_| ())?;
        client.wait(1)
    })
}

/// A socket at which the clients connect, and the other end of which says what the input holds.
struct Wire {
    path: PathBuf,
    listener: UnixListener,
    _folder: tempfile::TempDir,
}

thread_local! {
    static WIRE: LazyCell<Wire> = LazyCell::new(|| {
        let folder = super::promise::folder();
        let path = folder.path().join("sim.sock");
        let listener = UnixListener::bind(&path).expect("a socket in an own folder");
        Wire { path, listener, _folder: folder }
    });
}

impl Wire {
    /// To the client that has just connected. What is returned must live as long as the client.
    fn says(&self, stream: &[u8]) -> UnixStream {
        let (mut server, _) = self.listener.accept().expect("a client has connected");
        server.write_all(stream).expect("the socket's buffer has room for an input");
        server.shutdown(Shutdown::Write).expect("the client is there");
        server
    }
}
