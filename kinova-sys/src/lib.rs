//! The Kinova SDK's C ABI: bindgen types, run-time loading, lazily resolved symbols.
