#![no_main]

#[path = "../doors/sim_world.rs"]
mod sim_world;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sim_world::open(data));
