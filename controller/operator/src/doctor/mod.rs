//! `jaco doctor`: whether everything is in place, one line a check, and what to do where it is not.
//!
//! Everything is looked at from outside: the vendor's library, libtorch and the cameras in processes of
//! their own, with a time limit, and nothing that a running daemon has is touched. No check moves
//! the arm, takes control or changes anything.

mod arm;
mod cameras;
mod check;
mod child;
mod configuration;
mod daemon;
mod disk;
mod gamepad;
mod limits;
mod machine;
mod others;
mod policy;
mod semaphore;
mod simulation;
mod usb;

use check::Report;
use daemon::Presence;
use jaco_cli::{Cli, DoctorArgs};
use jaco_shell::args::Unusable;

/// `jaco doctor`. True when no check failed.
///
/// # Errors
/// The configuration cannot be used; all else was looked at and told nevertheless.
pub async fn doctor(args: &DoctorArgs, cli: &Cli) -> anyhow::Result<bool> {
    let mut report = Report::new(cli.json);
    let config = configuration::read(&args.config, &mut report)?;
    let socket = match (&cli.socket, &config) {
        (Some(given), _) => given.clone(),
        (None, Some(config)) => config.api.socket.clone(),
        (None, None) => cli.socket()?,
    };
    let presence = daemon::ask(&socket).await;
    daemon::examine(&socket, &presence, &mut report)?;
    let Some(config) = config else {
        machine::examine(presence.pid(), &mut report).await?;
        gamepad::examine(&mut report)?;
        report.end()?;
        return Err(Unusable(format!("{} cannot be used", args.config.display())).into());
    };
    // Cameras are opened by one program at a time.
    let open_cameras = matches!(presence, Presence::Absent);
    let named = configuration::look(&args.config, open_cameras).await;
    configuration::examine(&named, &mut report)?;
    if let Some(sim) = &config.sim {
        simulation::examine(sim, &mut report)?;
    }
    usb::examine(&config, &mut report)?;
    others::examine(config.sim.is_some(), presence.pid(), &mut report)?;
    // As it is found: opening the SDK gives one count back.
    semaphore::examine(&config, &presence, &mut report)?;
    let own_speed = arm::examine(&config, &named, &presence, &mut report)?;
    limits::examine(&config.arm.limits, own_speed, &presence, &mut report)?;
    cameras::examine(&config, &named, &presence, &mut report).await?;
    gamepad::examine(&mut report)?;
    machine::examine(presence.pid(), &mut report).await?;
    disk::examine(&config.paths.data_dir, &named, &presence, &mut report)?;
    policy::examine(&config.policy, &named, &presence, &mut report).await?;
    report.end()
}
