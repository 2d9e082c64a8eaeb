#![no_main]

#[allow(dead_code)]
#[path = "../doors/promise.rs"]
mod promise;
#[path = "../doors/statistics.rs"]
mod statistics;
#[allow(dead_code)]
#[path = "../doors/workshop.rs"]
mod workshop;

libfuzzer_sys::fuzz_target!(|data: &[u8]| statistics::open(data));
