#![no_main]

#[allow(dead_code)]
#[path = "../doors/promise.rs"]
mod promise;
#[path = "../doors/servo_law.rs"]
mod servo_law;

libfuzzer_sys::fuzz_target!(|data: &[u8]| servo_law::open(data));
