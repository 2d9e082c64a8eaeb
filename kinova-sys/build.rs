//! Generates the Rust side of `include/kinova_abi.hpp`, and the list of sizes and offsets that
//! `tests/layout.rs` compares with the measured layout.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const HEADER: &str = "include/kinova_abi.hpp";
const LAYOUT: &str = "tests/fixtures/kinova-layout-x86_64.txt";
/// Structs of the layout file that no function we bind takes.
const LEFT_OUT: [&str; 9] = [
    "EthernetConfiguration",
    "SdkEthernetConfiguration",
    "RobotIdentity",
    "StickEvents",
    "ButtonEvents",
    "ControlsModeMap",
    "ControlMapping",
    "ControlMappingCharts",
    "Packet",
];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(kinova_vendor_headers)");
    println!("cargo::rerun-if-env-changed=KINOVA_SDK_INCLUDE");
    for input in [HEADER, LAYOUT] {
        println!("cargo::rerun-if-changed={input}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));

    let types = builder().header(HEADER).ignore_functions();
    write(types, &out.join("types.rs"));
    let prototypes = builder()
        .header(HEADER)
        .with_codegen_config(bindgen::CodegenConfig::FUNCTIONS)
        .raw_line("use crate::types::*;");
    write(prototypes, &out.join("prototypes.rs"));

    let structs = declared_structs();
    fs::write(out.join("declared.rs"), measuring_code(&structs)).expect("OUT_DIR is writable");
    // Set to nothing, it is not set.
    let include = env::var_os("KINOVA_SDK_INCLUDE").filter(|include| !include.is_empty());
    if let Some(include) = include {
        vendor_types(Path::new(&include), &structs, &out);
    }
}

/// Units in the header's comments, `[rad]`, would be links in rustdoc.
#[derive(Debug)]
struct EscapeUnits;

impl bindgen::callbacks::ParseCallbacks for EscapeUnits {
    fn process_comment(&self, comment: &str) -> Option<String> {
        Some(comment.replace('[', r"\[").replace(']', r"\]"))
    }
}

fn builder() -> bindgen::Builder {
    bindgen::builder()
        .clang_args(["-x", "c++", "-std=c++14"])
        .rust_edition(bindgen::RustEdition::Edition2024)
        .default_enum_style(bindgen::EnumVariation::NewType {
            is_bitfield: false,
            is_global: false,
        })
        .array_pointers_in_arguments(true)
        .derive_default(true)
        .derive_partialeq(true)
        .layout_tests(false)
        .parse_callbacks(Box::new(EscapeUnits))
}

fn write(builder: bindgen::Builder, path: &Path) {
    builder
        .generate()
        .expect("bindgen reads the header (needs libclang: package libclang-dev)")
        .write_to_file(path)
        .expect("OUT_DIR is writable");
}

/// The same types from the vendor's own headers, for the tests of whoever owns a copy.
fn vendor_types(include: &Path, structs: &[(String, Vec<String>)], out: &Path) {
    println!("cargo::rerun-if-changed={}", include.display());
    let mut headers: Vec<PathBuf> = fs::read_dir(include)
        .unwrap_or_else(|error| panic!("KINOVA_SDK_INCLUDE={}: {error}", include.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with("CommLayerUbuntu.h"))
        .collect();
    headers.sort();
    headers.push(include.join("KinovaTypes.h"));

    let mut builder = builder();
    for header in headers {
        builder = builder.header(header.to_string_lossy());
    }
    for (name, _) in structs {
        builder = builder.allowlist_type(name);
    }
    write(builder.ignore_functions(), &out.join("vendor.rs"));
    println!("cargo::rustc-cfg=kinova_vendor_headers");
}

/// Names and fields of the structs in the layout file, those left out aside.
fn declared_structs() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(LAYOUT).expect("the layout file is part of the package");
    let mut structs: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "###" {
            structs.push((words[1].to_owned(), Vec::new()));
        } else {
            let field = words[words.len() - 2];
            let name = field.split_once('[').map_or(field, |(name, _)| name);
            structs.last_mut().expect("a field follows its struct").1.push(name.to_owned());
        }
    }
    structs.retain(|(name, _)| !LEFT_OUT.contains(&name.as_str()));
    structs
}

/// A macro that measures every field of every struct in a module. The pattern that names all
/// fields keeps a struct from having more of them than the layout file.
fn measuring_code(structs: &[(String, Vec<String>)]) -> String {
    let mut code = format!("const LEFT_OUT: [&str; {}] = {LEFT_OUT:?};\n", LEFT_OUT.len());
    code.push_str("macro_rules! declared { ($abi:ident) => { vec![\n");
    for (name, fields) in structs {
        let pattern: String = fields.iter().map(|field| format!("{field}: _, ")).collect();
        let _ = write!(
            code,
            "{{ let _ = |$abi::{name} {{ {pattern} }}: $abi::{name}| ();
            Layout {{ name: {name:?}.to_owned(), size: size_of::<$abi::{name}>(),
            align: align_of::<$abi::{name}>(), fields: vec!["
        );
        for field in fields {
            let _ = write!(
                code,
                "({field:?}.to_owned(), std::mem::offset_of!($abi::{name}, {field}), \
                field_size(|s: &$abi::{name}| &s.{field})),"
            );
        }
        code.push_str("] } },\n");
    }
    code.push_str("] } }\n");
    code
}
