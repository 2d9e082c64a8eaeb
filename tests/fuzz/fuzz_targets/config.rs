#![no_main]

#[path = "../doors/config.rs"]
mod config;
#[allow(dead_code)]
#[path = "../doors/promise.rs"]
mod promise;

libfuzzer_sys::fuzz_target!(|data: &[u8]| config::open(data));
