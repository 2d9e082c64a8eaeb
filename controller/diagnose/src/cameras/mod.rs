//! `jaco cameras`: the cameras of this PC, of the daemon and of the configuration. Where a daemon
//! answers it is asked, for it has its cameras open; else they are opened here, as it would.

mod list;
mod snap;
mod watch;

use jaco_api::Status;
use jaco_api::client::{Client, ClientError};
use jaco_camera::CameraHandle;
use jaco_cli::Cli;
use jaco_cli::cameras::CamerasVerb;
use jaco_config::{Camera, Config};
use jaco_core::MonotonicClock;
use jaco_shell::args::Unusable;
use jaco_shell::file::read_configuration;
use jaco_shell::say::in_full;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Carries out one of the verbs.
///
/// # Errors
/// What is wrong with what was given, with the camera or with the file that is written.
pub fn carry_out(verb: &CamerasVerb, cli: &Cli) -> anyhow::Result<()> {
    let daemon = Daemon::find(cli)?;
    match verb {
        CamerasVerb::List(args) => list::list(args, &daemon, cli.json),
        CamerasVerb::Snap(args) => snap::snap(args, &daemon, cli.json),
        CamerasVerb::Watch(args) => watch::watch(args, &daemon, cli.json),
    }
}

/// The daemon, if one answers.
struct Daemon {
    runtime: Runtime,
    client: Client,
    answers: bool,
}

impl Daemon {
    fn find(cli: &Cli) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = Client::new(&cli.socket()?);
        let mut daemon = Self { runtime, client, answers: true };
        daemon.answers = daemon.status()?.is_some();
        Ok(daemon)
    }

    /// How it is; none if there is none.
    fn status(&self) -> anyhow::Result<Option<Status>> {
        match self.runtime.block_on(self.client.get("/v1/status")) {
            Ok(status) => Ok(Some(status)),
            Err(ClientError::NoDaemon { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Config> {
    let bytes = read_configuration(path).map_err(|error| Unusable(in_full(&error)))?;
    let config = Config::read(&bytes, &path.display().to_string(), &jaco_shell::variable);
    config.map_err(|error| Unusable(error.to_string()).into())
}

/// Starts a camera here, as the daemon does.
fn start(camera: &Camera, config: Option<&Config>) -> anyhow::Result<CameraHandle> {
    let socket = config.and_then(|config| config.sim.as_ref()).map(|sim| sim.socket.clone());
    Ok(jaco_camera::start(camera, socket, Arc::new(MonotonicClock))?)
}

/// The camera of this name is not among `names`.
fn unknown(name: &str, whose: &str, names: &[&str]) -> anyhow::Error {
    let names = names.join(", ");
    Unusable(format!("{whose} has no camera {name:?}; it has {names}")).into()
}
