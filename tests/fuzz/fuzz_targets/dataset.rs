#![no_main]

#[path = "../doors/dataset.rs"]
mod dataset;
#[allow(dead_code)]
#[path = "../doors/promise.rs"]
mod promise;

libfuzzer_sys::fuzz_target!(
    // A library's panic that is caught and told in words is no finding; one that is not ends the
    // process all the same.
    init: std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))),
    |data: &[u8]| dataset::open(data)
);
