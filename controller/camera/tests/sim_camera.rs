//! A simulated camera: the same supervision over a socket instead of a device.

#![allow(clippy::unwrap_used)]

use jaco_camera::{CameraHandle, CameraHealth, StartError};
use jaco_config::{Camera, CameraFormat, Controls, Source};
use jaco_core::{Frame, MonotonicClock};
use jaco_sim_link::camera::{CameraRequest, encode_frame, encode_refusal};
use jaco_sim_link::{Channel, Message, read_hello, read_line};
use std::io::BufReader;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn config() -> Camera {
    Camera {
        name: "front".to_owned(),
        source: Source::Sim,
        width: 2,
        height: 1,
        rate_hz: 10,
        format: CameraFormat::Auto,
        controls: Controls::default(),
        stale_after_ms: 60_000,
        late_after_ms: 250,
        dark_below: 0,
    }
}

fn start(socket: Option<PathBuf>) -> Result<CameraHandle, StartError> {
    jaco_camera::start(&config(), socket, Arc::new(MonotonicClock))
}

/// Waits, without a limit of its own, until the health is as wanted.
fn health_when(camera: &CameraHandle, wanted: impl Fn(&CameraHealth) -> bool) -> CameraHealth {
    loop {
        let health = camera.health();
        if wanted(&health) {
            return health;
        }
        std::thread::yield_now();
    }
}

/// Takes the camera's next connection, and answers it.
fn serve(listener: &UnixListener, message: &Message) -> UnixStream {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    assert_eq!(read_hello(&mut reader).unwrap(), Channel::Camera);
    let request = CameraRequest::parse(&read_line(&mut reader, 512).unwrap().unwrap()).unwrap();
    assert_eq!((request.camera.as_str(), request.width, request.height), ("front", 2, 1));
    message.write(&mut &stream).unwrap();
    stream
}

#[test]
fn a_simulator_that_comes_goes_and_refuses_is_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("sim.sock");
    let camera = start(Some(socket.clone())).unwrap();
    let health = health_when(&camera, |health| health.fault.is_some());
    assert!(health.fault.unwrap().contains("is it running"));
    assert!(camera.frames.get().is_none());

    let listener = UnixListener::bind(&socket).unwrap();
    let rgb = [1, 2, 3, 4, 5, 6].into();
    let frame =
        Frame { jpeg: None, camera: "front".into(), captured_ns: 77, width: 2, height: 1, rgb };
    let stream = serve(&listener, &encode_frame(&frame));
    let got = camera.frames.wait_for(Duration::from_secs(120), |_| true).unwrap();
    assert_eq!(*got, frame);
    let health = health_when(&camera, |health| health.fault.is_none());
    assert_eq!((health.frames, health.reopened), (1, 0));

    drop(stream);
    let health = health_when(&camera, |health| health.fault.is_some());
    assert_eq!(health.fault.unwrap(), "jaco-sim's side of the connection is closed");
    assert_eq!(*camera.frames.get().unwrap(), frame);

    serve(&listener, &encode_refusal("no such camera"));
    let refused = "jaco-sim refused: no such camera";
    health_when(&camera, |health| health.fault.as_deref() == Some(refused));

    let _stream = serve(&listener, &encode_frame(&frame));
    let health = health_when(&camera, |health| health.frames == 2);
    assert_eq!((health.fault, health.reopened), (None, 2));
}

#[test]
fn a_simulated_camera_without_a_simulator_is_refused() {
    let error = start(None).unwrap_err();
    assert_eq!(error.to_string(), "the camera front is simulated but there is no [sim] socket");
}
