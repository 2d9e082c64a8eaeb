//! `jaco-data`: the verbs of `jaco` about recorded datasets. Needs neither libtorch nor MuJoCo.
//! It never moves an arm itself: a replay is the daemon's.

use jaco_api::client::ClientError;
use jaco_cli::dataset::DatasetVerb;
use jaco_cli::{Cli, Verb, exit};
use jaco_data::{check, edit, repair, replay, show, stats};
use jaco_dataset::blames_input;
use jaco_shell::args::{self, Unusable};
use jaco_shell::say::{Unwritten, aside, in_full, print};
use std::io::ErrorKind;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match args::parse::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match carry_out(&cli) {
        Ok(true) => ExitCode::from(exit::OK),
        Ok(false) => ExitCode::from(exit::FAILED),
        Err(error) => {
            aside(format_args!("jaco: {}", in_full(&error)));
            ExitCode::from(exit_code(&error))
        }
    }
}

/// False: carried out, without success.
fn carry_out(cli: &Cli) -> anyhow::Result<bool> {
    let verb = match &cli.verb {
        Verb::Replay(args) => return replay::replay(&cli.socket()?, args, cli.json),
        Verb::Dataset(verb) => verb,
        _ => anyhow::bail!("jaco-data knows the verbs about datasets only; the others are jaco's"),
    };
    match verb {
        DatasetVerb::Check(args) => {
            let report = check::check(args)?;
            print(cli.json, &report)?;
            return Ok(report.sound);
        }
        DatasetVerb::Repair(args) => print(cli.json, &repair::repair(args)?)?,
        DatasetVerb::Stats(args) => print(cli.json, &stats::stats(&args.dir)?)?,
        DatasetVerb::Show(args) => print(cli.json, &show::show(args)?)?,
        DatasetVerb::Delete(args) => print(cli.json, &edit::delete(args)?)?,
        DatasetVerb::Merge(args) => print(cli.json, &edit::merge(args)?)?,
        DatasetVerb::Split(args) => print(cli.json, &edit::split(args)?)?,
        DatasetVerb::Relabel(args) => print(cli.json, &edit::relabel(args)?)?,
        DatasetVerb::ToVideo(args) => print(cli.json, &edit::to_video(args)?)?,
    }
    Ok(true)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::NoDaemon { error, .. }) if error.kind() == ErrorKind::InvalidInput => {
            return exit::USAGE;
        }
        Some(ClientError::NoDaemon { .. }) => return exit::NO_DAEMON,
        Some(ClientError::Refused(_)) => return exit::REFUSED,
        _ => {}
    }
    match error.chain().find_map(blames_input) {
        _ if Unusable::is_in(error) => exit::USAGE,
        _ if Unwritten::is_in(error) => exit::FAILED,
        Some(true) => exit::USAGE,
        _ => exit::FAILED,
    }
}
