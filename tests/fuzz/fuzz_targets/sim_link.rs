#![no_main]

#[allow(dead_code)]
#[path = "../doors/promise.rs"]
mod promise;
#[path = "../doors/sim_link.rs"]
mod sim_link;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sim_link::open(data));
