//! `jaco policy devices`: the libtorch that this program runs with, and the GPUs that it finds. No
//! policy is loaded.

use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// What there is to run a policy with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Devices {
    /// Version of libtorch; none if the files beside it do not tell.
    pub libtorch: Option<String>,
    /// Its library.
    pub library: Option<PathBuf>,
    /// NVIDIA GPUs that it finds; 0 also where it was built without CUDA.
    pub cuda_devices: usize,
}

/// Carries out `jaco policy devices`.
pub fn devices() -> Devices {
    let cuda_devices = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let library = loaded(&maps);
    Devices { libtorch: library.as_deref().and_then(version), library, cuda_devices }
}

/// The libtorch among the files that are mapped into a process.
fn loaded(maps: &str) -> Option<PathBuf> {
    let paths = maps.lines().filter_map(|line| line.find('/').map(|start| &line[start..]));
    paths.map(Path::new).find(|path| path.ends_with("libtorch_cpu.so")).map(Path::to_owned)
}

/// PyTorch's wheels tell the version in `version.py`, the C++ archive in `build-version`.
fn version(library: &Path) -> Option<String> {
    let folder = library.parent()?.parent()?;
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let in_python = |text: String| {
        let line = text.lines().find(|line| line.starts_with("__version__"))?;
        line.split('\'').nth(1).map(str::to_owned)
    };
    read("version.py")
        .and_then(in_python)
        .or_else(|| read("build-version").map(|text| text.trim().to_owned()))
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.libtorch.as_deref().unwrap_or("of an unknown version");
        write!(f, "libtorch {version}")?;
        if let Some(library) = &self.library {
            write!(f, " ({})", library.display())?;
        }
        match self.cuda_devices {
            0 => write!(f, ", no GPU that it can use"),
            1 => write!(f, ", 1 GPU: cuda:0"),
            count => write!(f, ", {count} GPUs: cuda:0 to cuda:{}", count - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_is_found_among_what_is_mapped() {
        let maps = "7f00-7f10 r--p 0 08:01 12 /opt/a folder/torch/lib/libtorch_cpu.so\n\
                    7f20-7f30 rw-p 0 00:00 0 [heap]\n";
        assert_eq!(loaded(maps), Some("/opt/a folder/torch/lib/libtorch_cpu.so".into()));
        assert_eq!(loaded("7f20-7f30 rw-p 0 00:00 0 [heap]"), None);
    }
}
