#![no_main]

#[allow(dead_code)]
#[path = "../doors/promise.rs"]
mod promise;
#[path = "../doors/servo_wire.rs"]
mod servo_wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| servo_wire::open(data));
