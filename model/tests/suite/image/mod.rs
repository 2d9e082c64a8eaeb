//! Pictures against OpenVLA's image processor and its LIBERO evaluation.

mod libero;
mod processor;
mod strategies;

use crate::support::fixtures;
use jaco_core::Frame;
use std::fs::File;
use std::io::BufReader;

/// The pictures of `fixtures/preproc`.
const PICTURES: [&str; 3] = ["a_256x256", "b_320x240", "c_173x301"];

/// A picture of `fixtures/preproc` by its name without the extension.
fn png(name: &str) -> Frame {
    let file = File::open(fixtures().join(format!("preproc/{name}.png"))).unwrap();
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    frame(info.width, info.height, rgb)
}

fn frame(width: u32, height: u32, rgb: Vec<u8>) -> Frame {
    Frame { jpeg: None, camera: "test".into(), captured_ns: 0, width, height, rgb: rgb.into() }
}

fn one_colour(width: u32, height: u32, colour: [u8; 3]) -> Frame {
    frame(width, height, colour.repeat((width * height) as usize))
}

fn pixels(rgb: &[u8]) -> &[[u8; 3]] {
    rgb.as_chunks().0
}
