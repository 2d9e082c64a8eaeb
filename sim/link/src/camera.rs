//! The `camera` channel: frames of the simulated cameras, pushed as they are rendered.

use crate::LinkError;
use crate::wire::{Channel, Message, PartialMessage, open, write_line};
use jaco_core::Frame;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Longest line with a request.
pub const MAX_REQUEST_BYTES: usize = 512;
/// Largest width and height.
pub const MAX_SIDE_PIXELS: u32 = 2048;

const FRAME_TAG: u32 = 0;
const REFUSAL_TAG: u32 = 1;
const FRAME_HEADER_BYTES: usize = 16;
const MAX_FRAME_BYTES: usize =
    FRAME_HEADER_BYTES + (MAX_SIDE_PIXELS * MAX_SIDE_PIXELS * 3) as usize;

/// Which pictures a client wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraRequest {
    /// Name of the camera in the scene.
    pub camera: String,
    /// Width \[pixels\], up to [`MAX_SIDE_PIXELS`].
    pub width: u32,
    /// Height \[pixels\], up to [`MAX_SIDE_PIXELS`].
    pub height: u32,
    /// Frames a second, up to 100.
    pub rate_hz: f64,
}

impl CameraRequest {
    /// Parses one line of JSON and checks the numbers.
    pub fn parse(line: &str) -> Result<Self, LinkError> {
        let malformed = |detail| LinkError::Malformed { what: "camera request", detail };
        let request: Self =
            serde_json::from_str(line).map_err(|error| malformed(error.to_string()))?;
        let Self { width, height, rate_hz, .. } = request;
        let side = 1..=MAX_SIDE_PIXELS;
        if !side.contains(&width) || !side.contains(&height) {
            let detail =
                format!("{width} x {height} pixels: a side has {} to {}", side.start(), side.end());
            return Err(malformed(detail));
        }
        if !(rate_hz > 0.0 && rate_hz <= 100.0) {
            return Err(malformed(format!("{rate_hz} Hz is not above 0 and up to 100")));
        }
        Ok(request)
    }
}

/// The message that carries `frame` (its camera's name stays behind).
pub fn encode_frame(frame: &Frame) -> Message {
    let mut payload = Vec::with_capacity(FRAME_HEADER_BYTES + frame.rgb.len());
    payload.extend_from_slice(&frame.captured_ns.to_le_bytes());
    payload.extend_from_slice(&frame.width.to_le_bytes());
    payload.extend_from_slice(&frame.height.to_le_bytes());
    payload.extend_from_slice(&frame.rgb);
    Message { tag: FRAME_TAG, payload }
}

/// The message that ends a connection with the reason why there are no frames.
pub fn encode_refusal(reason: &str) -> Message {
    Message { tag: REFUSAL_TAG, payload: reason.as_bytes().to_vec() }
}

fn decode_frame(message: &Message, camera: &Arc<str>) -> Result<Frame, LinkError> {
    let malformed = |detail| LinkError::Malformed { what: "frame", detail };
    let payload = &message.payload;
    if message.tag == REFUSAL_TAG {
        return Err(LinkError::Refused(String::from_utf8_lossy(payload).into_owned()));
    }
    if message.tag != FRAME_TAG || payload.len() < FRAME_HEADER_BYTES {
        return Err(malformed(format!("{} bytes with tag {}", payload.len(), message.tag)));
    }
    let (header, rgb) = payload.split_at(FRAME_HEADER_BYTES);
    let (stamp, size) = header.split_at(8);
    let (width, height) = size.split_at(4);
    let u32_of = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let (width, height) = (u32_of(width), u32_of(height));
    if u128::from(width) * u128::from(height) * 3 != rgb.len() as u128 {
        return Err(malformed(format!("{} bytes for {width} x {height} pixels", rgb.len())));
    }
    let captured_ns = u64::from_le_bytes(stamp.try_into().expect("eight bytes"));
    Ok(Frame { jpeg: None, camera: camera.clone(), captured_ns, width, height, rgb: rgb.into() })
}

/// A client that is sent the frames of one camera.
#[derive(Debug)]
pub struct CameraClient {
    stream: UnixStream,
    camera: Arc<str>,
    partial: PartialMessage,
}

impl CameraClient {
    /// Connects to the socket at `path`; frames are named after the camera.
    pub fn connect(path: &Path, request: &CameraRequest) -> Result<Self, LinkError> {
        let mut stream = open(path, Channel::Camera)?;
        let line = serde_json::to_string(request).map_err(|error| LinkError::Malformed {
            what: "camera request",
            detail: error.to_string(),
        })?;
        write_line(&mut stream, &line)?;
        Ok(Self { stream, camera: request.camera.as_str().into(), partial: <_>::default() })
    }

    /// The next frame. Fails with [`LinkError::Timeout`] when nothing arrives for `timeout`; the
    /// connection stays usable then, and only then.
    pub fn next_frame(&mut self, timeout: Duration) -> Result<Frame, LinkError> {
        self.stream.set_read_timeout(Some(timeout))?;
        match self.partial.read(&mut self.stream, MAX_FRAME_BYTES) {
            Ok(message) => decode_frame(&message, &self.camera),
            Err(LinkError::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                Err(LinkError::Timeout(timeout))
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::os::unix::net::UnixListener;

    fn frame(width: u32, height: u32, captured_ns: u64) -> Frame {
        let rgb = (0..width * height * 3).map(|i| i as u8).collect();
        Frame { jpeg: None, camera: "front".into(), captured_ns, width, height, rgb }
    }

    proptest! {
        #[test]
        fn frames_survive_the_wire(width in 0u32..20, height in 0u32..20, stamp: u64) {
            let frame = frame(width, height, stamp);
            prop_assert_eq!(decode_frame(&encode_frame(&frame), &"front".into()).unwrap(), frame);
        }

        #[test]
        fn no_message_makes_decoding_panic(
            tag in 0u32..3,
            payload in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = decode_frame(&Message { tag, payload }, &"front".into());
        }

        #[test]
        fn no_line_makes_parsing_panic(line in ".{0,100}") {
            let _ = CameraRequest::parse(&line);
        }
    }

    #[test]
    fn requests_are_checked() {
        let parse = |width: u32, rate_hz: f64| {
            let height = 128;
            let request = CameraRequest { camera: "front".to_owned(), width, height, rate_hz };
            CameraRequest::parse(&serde_json::to_string(&request).unwrap())
        };
        assert_eq!(parse(224, 10.0).unwrap().width, 224);
        for (width, rate_hz) in [(0, 10.0), (2049, 10.0), (224, 0.0), (224, 101.0)] {
            let error = parse(width, rate_hz).unwrap_err();
            assert!(matches!(error, LinkError::Malformed { .. }), "{error}");
        }
    }

    #[test]
    fn a_time_out_in_the_middle_of_a_frame_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sim.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let request =
            CameraRequest { camera: "front".to_owned(), width: 4, height: 2, rate_hz: 10.0 };
        let mut client = CameraClient::connect(&path, &request).unwrap();
        let (mut server, _) = listener.accept().unwrap();

        let sent = frame(4, 2, 77);
        let mut bytes = Vec::new();
        encode_frame(&sent).write(&mut bytes).unwrap();
        let (first, rest) = bytes.split_at(13);
        server.write_all(first).unwrap();
        let timeout = Duration::from_millis(1);
        assert!(matches!(client.next_frame(timeout), Err(LinkError::Timeout(_))));
        server.write_all(rest).unwrap();
        assert_eq!(client.next_frame(timeout).unwrap(), sent);

        encode_refusal("no such camera").write(&mut server).unwrap();
        let error = client.next_frame(timeout).unwrap_err();
        assert!(matches!(&error, LinkError::Refused(reason) if reason == "no such camera"));
        drop(server);
        assert!(matches!(client.next_frame(timeout), Err(LinkError::Closed)));
    }
}
