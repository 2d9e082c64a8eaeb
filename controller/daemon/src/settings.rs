//! The configuration file, from its path to [`Config`]: as it is read by all who
//! want it. Knows nothing of what the configuration says.

use jaco_config::Config;
use jaco_shell::file::read_configuration;
use std::path::Path;

/// A configuration that was read, and the file as it stands.
#[derive(Debug)]
pub struct Settings {
    /// What it says.
    pub config: Config,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it is called.
    pub name: String,
}

/// Reads the configuration at `path`, with the environment's variables in its paths.
///
/// # Errors
/// Why it is no configuration, with all that is wrong with it.
pub fn read(path: &Path) -> anyhow::Result<Settings> {
    let name = path.display().to_string();
    let bytes = read_configuration(path)?;
    let config = Config::read(&bytes, &name, &jaco_shell::variable)?;
    Ok(Settings { config, bytes, name })
}
