//! Loading and resolving, with libraries that every Linux machine has. Calls are tested with the
//! stand-in library, in the whole-system tests.

use kinova_sys::{CartesianPosition, Sdk, SymbolError, Transport};
use std::path::{Path, PathBuf};

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Sdk::load(Path::new("/nonexistent/USBCommandLayerUbuntu.so"), Transport::Usb)
        .expect_err("no such file");
    assert!(error.to_string().contains("/nonexistent/USBCommandLayerUbuntu.so"), "{error}");
}

#[test]
fn a_file_that_is_no_library_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "not ELF").expect("written");
    Sdk::load(file.path(), Transport::Usb).expect_err("not a library");
}

#[test]
fn a_library_without_the_symbols_says_which_is_missing() {
    for (transport, name) in [
        (Transport::Usb, "GetCartesianPosition"),
        (Transport::Ethernet, "Ethernet_GetCartesianPosition"),
    ] {
        let sdk = Sdk::load(Path::new("libc.so.6"), transport).expect("the C library loads");
        assert_eq!(
            sdk.get_cartesian_position(&mut CartesianPosition::default()),
            Err(SymbolError { name, library: PathBuf::from("libc.so.6") })
        );
        let missing = sdk.missing();
        assert!(missing.contains(&name), "{missing:?}");
        let header = include_str!("../include/kinova_abi.hpp");
        let prototypes = header.lines().filter(|line| line.starts_with("int ")).count();
        assert_eq!(missing.len(), prototypes, "a prototype of the header has no method");
    }
}
