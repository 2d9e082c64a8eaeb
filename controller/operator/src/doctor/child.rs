//! A sibling program that is asked for one JSON object, within a time limit. What it links may be
//! missing, crash or hang here; that is then what is known.

use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// What `program`, beside this one, prints as one JSON object, whatever its exit code is.
///
/// # Errors
/// Why there is none, in words.
pub async fn ask<T: DeserializeOwned>(
    program: &str,
    arguments: &[&OsStr],
    limit: Duration,
) -> Result<T, String> {
    let path = std::env::current_exe().map_err(|error| error.to_string())?.with_file_name(program);
    let mut command = Command::new(&path);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(limit, command.output()).await {
        Err(_) => return Err(format!("{program} gave no answer within {} s", limit.as_secs())),
        Ok(Err(error)) => return Err(format!("cannot start {}: {error}", path.display())),
        Ok(Ok(output)) => output,
    };
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        match said.trim() {
            "" => format!("{program} ended with {} and no words", output.status),
            said => said.to_owned(),
        }
    })
}
