//! What the answer to `GET /v1/cameras/NAME/picture` says of its picture besides the bytes.

/// Header: when the picture was taken, monotonic \[ns\] of the daemon's machine.
pub const CAPTURED_NS: &str = "x-captured-ns";
/// Header: how old it was when it was sent \[ms\].
pub const AGE_MS: &str = "x-age-ms";
/// Header: width and height \[pixels\], as "640x480".
pub const SIZE: &str = "x-size";
/// Header: mean brightness, 0 to 255.
pub const BRIGHTNESS: &str = "x-brightness";
/// Header: what is wrong with the camera; absent when nothing is.
pub const FAULT: &str = "x-fault";

/// The path of the request for the picture of the camera `name`.
pub fn path(name: &str) -> String {
    format!("/v1/cameras/{name}/picture")
}
