#![no_main]

#[path = "../doors/dataset.rs"]
mod dataset;
#[allow(dead_code)]
#[path = "../doors/promise.rs"]
mod promise;

libfuzzer_sys::fuzz_target!(|data: &[u8]| dataset::open(data));
