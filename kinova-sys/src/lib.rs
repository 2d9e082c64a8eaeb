//! The Kinova SDK's C ABI: bindgen types, run-time loading, lazily resolved symbols.
//!
//! This crate declares and calls. It must never judge, retry or convert: a return code comes back
//! as the SDK gave it, and what a code is worth is said in the documentation of each function
//! (a 1 from a `Set`, `Send` or `Erase` is *not* evidence that anything reached the arm).
//!
//! # Where the types come from
//!
//! `include/kinova_abi.hpp` is this project's own description of the ABI; bindgen (which needs
//! libclang) turns it into Rust at build time. No vendor text is part of the package. The tests
//! compare every size and offset with those measured in the SDK's binaries.
//!
//! # Checking against the vendor's headers
//!
//! Whoever owns the SDK can have the same test read the vendor's headers as well:
//!
//! ```text
//! KINOVA_SDK_INCLUDE=/path/to/kinova_driver/include/kinova cargo test -p kinova-sys
//! ```
//!
//! The folder must hold `KinovaTypes.h` and the `*CommLayerUbuntu.h` headers.
//!
//! # Loading
//!
//! The command layer finds its communication layer with a bare-name `dlopen`: the process must
//! have been *started* with the SDK's folder in `LD_LIBRARY_PATH`, else `InitAPI` gives 2002.

mod return_code;
mod sdk;
mod types {
    #![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]
    #![allow(unnecessary_transmutes)]
    include!(concat!(env!("OUT_DIR"), "/types.rs"));
}

pub use return_code::*;
pub use sdk::{LoadError, Sdk, SymbolError, Transport};
pub use types::*;
