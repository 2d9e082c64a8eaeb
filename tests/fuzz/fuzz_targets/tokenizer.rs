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

libfuzzer_sys::fuzz_target!(|data: &[u8]| tokenizer::open(data));
