#![no_main]

#[path = "../doors/checkpoint.rs"]
mod checkpoint;
#[allow(dead_code)]
#[path = "../doors/parts.rs"]
mod parts;
#[allow(dead_code)]
#[path = "../doors/promise.rs"]
mod promise;
#[allow(dead_code)]
#[path = "../doors/workshop.rs"]
mod workshop;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checkpoint::open(data));
