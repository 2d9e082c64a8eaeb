//! Build script of every package whose programs or tests link libtorch or MuJoCo: writes the
//! libraries' folders into them, so that they start without LD_LIBRARY_PATH.
//! The folders come from `.cargo/config.toml`, which `make setup` writes.

fn main() {
    for (variable, below) in [("LIBTORCH", "/lib"), ("MUJOCO_DYNAMIC_LINK_DIR", "")] {
        println!("cargo::rerun-if-env-changed={variable}");
        // Set to nothing, it is not set.
        if let Some(folder) = std::env::var(variable).ok().filter(|folder| !folder.is_empty()) {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}{below}");
            // No program calls into this library by name: the linker would leave it out, and
            // libtorch would find no GPU.
            let cuda = format!("{folder}/lib/libtorch_cuda.so");
            if std::path::Path::new(&cuda).exists() {
                println!("cargo::rustc-link-arg=-Wl,--no-as-needed,{cuda},--as-needed");
            }
        }
    }
    println!("cargo::rustc-link-arg=-Wl,--as-needed");
}
