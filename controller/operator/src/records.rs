//! `jaco log save` and `list`: the daemon writes a flight record, or says where they are.

use anyhow::Context;
use jaco_api::client::Client;
use jaco_api::{Saved, Status};
use jaco_cli::log::SaveArgs;
use jaco_shell::args::Unusable;
use jaco_shell::say;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// `jaco log save`.
pub async fn save(client: &Client, args: &SaveArgs, json: bool) -> anyhow::Result<()> {
    if let Some(path) = args.out.as_deref().filter(|path| path.exists()) {
        let why = format!("{} exists already: name another file", path.display());
        return Err(Unusable(why).into());
    }
    let mut saved: Saved = client.post("/v1/log/save", &serde_json::json!({})).await?;
    if let Some(path) = &args.out {
        copy(&saved.file, path)?;
        saved.file.clone_from(path);
    }
    match json {
        true => say::object(&saved),
        false => say::line(format_args!("recorded in {}", saved.file.display())).map(drop),
    }
}

fn copy(record: &Path, path: &Path) -> anyhow::Result<()> {
    let name = record.display();
    let mut record = File::open(record).with_context(|| {
        format!("the record is in {name}, which this user may not read: ask the one of jacod")
    })?;
    let doing = || format!("the record is in {name}; cannot copy it to {}", path.display());
    let mut copy = File::create_new(path).map_err(|error| Unusable::path(doing(), error))?;
    std::io::copy(&mut record, &mut copy).and_then(|_| copy.sync_all()).with_context(doing)
}

/// `jaco log list` of the folder that the daemon writes into. Returns only where that fails.
pub async fn list(client: &Client, json: bool) -> anyhow::Result<bool> {
    let status: Status =
        client.get("/v1/status").await.context("without a daemon: jaco log list --dir DIR")?;
    let program = std::env::current_exe()?.with_file_name("jaco-diagnose");
    let mut command = Command::new(&program);
    command.args(["log", "list", "--dir"]).arg(status.flight_folder);
    let error = command.args(json.then_some("--json")).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
