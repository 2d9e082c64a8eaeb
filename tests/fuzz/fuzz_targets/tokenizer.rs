#![no_main]

#[allow(dead_code)]
#[path = "../doors/parts.rs"]
mod parts;
#[allow(dead_code)]
#[path = "../doors/promise.rs"]
mod promise;
#[path = "../doors/tokenizer.rs"]
mod tokenizer;
#[allow(dead_code)]
#[path = "../doors/workshop.rs"]
mod workshop;

libfuzzer_sys::fuzz_target!(
    // A library's panic that is caught and told in words is no finding; one that is not ends the
    // process all the same.
    init: std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))),
    |data: &[u8]| tokenizer::open(data)
);
