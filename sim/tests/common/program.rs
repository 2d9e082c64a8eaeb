//! `jaco-sim` started for real, and its clients.
#![allow(dead_code)]

use jaco_sim_link::camera::CameraRequest;
use jaco_sim_link::sdk::Call;
use jaco_sim_link::{CameraClient, ControlClient, Plain, SdkClient};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Far beyond what anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Program {
    pub child: Child,
    pub log: Option<BufReader<ChildStderr>>,
    folder: TempDir,
}

impl Program {
    /// Starts `jaco-sim` and waits for its word that it is ready.
    pub fn start(arguments: &[&str]) -> Program {
        Self::start_with(|command| command.args(arguments))
    }

    pub fn start_with(dress: impl FnOnce(&mut Command) -> &mut Command) -> Program {
        let folder = tempfile::tempdir().unwrap();
        let mut child = dress(&mut command(&folder.path().join("sim.sock")))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("ready") {
            assert_ne!(log.read_line(&mut said).unwrap(), 0, "not ready; it said: {said}");
        }
        Program { child, log: Some(log), folder }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("sim.sock")
    }

    pub fn control(&self) -> ControlClient {
        ControlClient::connect(&self.socket()).unwrap()
    }

    pub fn sdk(&self) -> SdkClient {
        SdkClient::connect(&self.socket()).unwrap()
    }

    pub fn camera(&self, camera: &str) -> CameraClient {
        let request =
            CameraRequest { camera: camera.to_owned(), width: 64, height: 48, rate_hz: 20.0 };
        CameraClient::connect(&self.socket(), &request).unwrap()
    }

    /// Waits for the end; also gives what was logged since the start.
    pub fn end(&mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.log.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap(), said)
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: the child was not waited for, so the pid is its own.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn command(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jaco-sim"));
    command.arg("--socket").arg(socket).stdin(Stdio::null());
    command
}

pub fn read<T: Plain>(sdk: &mut SdkClient, call: Call) -> T {
    let reply = sdk.call(&call).unwrap();
    assert_eq!(reply.code, 1, "{call:?}");
    T::from_bytes(&reply.output).unwrap()
}
