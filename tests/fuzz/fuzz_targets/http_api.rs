#![no_main]

#[path = "../doors/http_api.rs"]
mod http_api;
#[allow(dead_code)]
#[path = "../doors/promise.rs"]
mod promise;

libfuzzer_sys::fuzz_target!(|data: &[u8]| http_api::open(data));
