//! The command line of `jaco-servo`: written by [`crate::spawn`], read by the program.

use crate::driver::{DriverOptions, SDK_SEMAPHORE};
use crate::mode::StopReason;
use clap::Parser;
use jaco_core::{AngularFrame, Ethernet, Level, Limits, LogFormat, Transport, Word};
use kinova_sys::{LoadError, Sdk};
use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

/// The 100 Hz process that owns a Kinova Jaco2 arm. It is started by jacod, with one end of a
/// SOCK_SEQPACKET pair, and of no use without it.
#[derive(Clone, Debug, PartialEq, Parser)]
#[command(version)]
pub struct Args {
    /// Descriptor of the inherited SOCK_SEQPACKET socket to jacod.
    #[arg(long)]
    pub socket_fd: RawFd,
    /// Do not take the arm: look at it, tell on the socket what was found, and end.
    #[arg(long)]
    pub look: bool,
    /// The SDK's command layer library.
    #[arg(long)]
    pub sdk: PathBuf,
    /// How the arm is connected: usb or ethernet.
    #[arg(long, default_value_t = Transport::Usb)]
    pub transport: Transport,
    /// Addresses of an arm on a network as a JSON object; what is left out has its default.
    #[arg(long, default_value = "{}", value_parser = ethernet)]
    pub ethernet: Ethernet,
    /// Serial number of the arm, or its beginning; needed only with several arms.
    #[arg(long)]
    pub serial: Option<String>,
    /// Fingers of the hand.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    pub fingers: u8,
    /// Name of the semaphore that the SDK's USB layer takes.
    #[arg(long, default_value = SDK_SEMAPHORE)]
    pub semaphore: String,
    /// Frame in which the arm takes angular velocities: effector or base.
    #[arg(long, default_value_t = AngularFrame::Effector)]
    pub angular_frame: AngularFrame,
    /// The limits as a JSON object; what is left out has its default.
    #[arg(long, default_value = "{}", value_parser = limits)]
    pub limits: Limits,
    /// Be stopped from the first tick on, for this reason: operator, supervisor, ...
    #[arg(long, value_parser = stop_reason)]
    pub stopped: Option<StopReason>,
    /// Real-time priority asked for, 1 to 99.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(i32).range(1..=99))]
    pub priority: i32,
    /// The least severe level that is logged: error, warn, info, debug or trace.
    #[arg(long, default_value_t = Level::Info)]
    pub log_level: Level,
    /// The form of a log line: text or json.
    #[arg(long, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

impl Args {
    /// The arguments that parse to `self`.
    pub fn to_arguments(&self) -> Vec<OsString> {
        let limits = serde_json::to_string(&self.limits).expect("limits are plain numbers");
        let ethernet = serde_json::to_string(&self.ethernet).expect("addresses are plain text");
        let mut arguments: Vec<OsString> = vec![
            format!("--socket-fd={}", self.socket_fd).into(),
            "--sdk".into(),
            self.sdk.clone().into(),
            format!("--transport={}", self.transport).into(),
            format!("--ethernet={ethernet}").into(),
            format!("--angular-frame={}", self.angular_frame).into(),
            format!("--fingers={}", self.fingers).into(),
            format!("--semaphore={}", self.semaphore).into(),
            format!("--limits={limits}").into(),
            format!("--priority={}", self.priority).into(),
            format!("--log-level={}", self.log_level).into(),
            format!("--log-format={}", self.log_format).into(),
        ];
        arguments.extend(self.look.then(|| "--look".into()));
        arguments.extend(self.serial.iter().map(|serial| format!("--serial={serial}").into()));
        arguments.extend(self.stopped.iter().map(|why| format!("--stopped={}", why.name()).into()));
        arguments
    }

    /// What the driver is to be told of it.
    pub fn driver_options(&self) -> DriverOptions {
        DriverOptions {
            serial: self.serial.clone(),
            ethernet: (self.transport == Transport::Ethernet).then_some(self.ethernet),
            angular_frame: self.angular_frame,
            fingers: usize::from(self.fingers),
            linear_speed_m_s: self.limits.linear_speed_m_s,
            angular_speed_rad_s: self.limits.angular_speed_rad_s,
            semaphore: self.semaphore.clone(),
            ..DriverOptions::default()
        }
    }

    /// Loads the SDK's library.
    ///
    /// # Errors
    /// Why it cannot be loaded.
    pub fn load_sdk(&self) -> Result<Sdk, LoadError> {
        let transport = match self.transport {
            Transport::Usb => kinova_sys::Transport::Usb,
            Transport::Ethernet => kinova_sys::Transport::Ethernet,
        };
        Sdk::load(&self.sdk, transport)
    }
}

fn stop_reason(name: &str) -> Result<StopReason, String> {
    let known = || StopReason::ALL.iter().map(|reason| reason.name()).collect::<Vec<_>>();
    StopReason::ALL
        .iter()
        .copied()
        .find(|reason| reason.name() == name)
        .ok_or_else(|| format!("{name:?} is none of {}", known().join(", ")))
}

fn ethernet(json: &str) -> Result<Ethernet, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

fn limits(json: &str) -> Result<Limits, String> {
    let limits: Limits = serde_json::from_str(json).map_err(|error| error.to_string())?;
    limits.validate().map_err(|error| error.to_string())?;
    Ok(limits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(arguments: Vec<OsString>) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("jaco-servo".into()).chain(arguments))
    }

    #[test]
    fn arguments_are_parsed_back() {
        let args = Args {
            socket_fd: 7,
            look: true,
            sdk: "/opt/kinova/with space/layer.so".into(),
            transport: Transport::Ethernet,
            ethernet: Ethernet { robot_port: 55_001, ..Ethernet::default() },
            serial: Some("PJ0090".into()),
            fingers: 2,
            semaphore: "/another".into(),
            angular_frame: AngularFrame::Base,
            limits: Limits { linear_speed_m_s: 0.123_456_789, ..Limits::default() },
            stopped: None,
            priority: 12,
            log_level: Level::Debug,
            log_format: LogFormat::Json,
        };
        assert_eq!(parse(args.to_arguments()).unwrap(), args);
        for reason in StopReason::ALL {
            let args = Args { stopped: Some(*reason), ..args.clone() };
            assert_eq!(parse(args.to_arguments()).unwrap(), args);
        }
    }

    #[test]
    fn bad_values_are_refused_with_the_reason() {
        let with = |extra: &str| {
            let words = ["--socket-fd=3", "--sdk=x", extra];
            parse(words.map(OsString::from).to_vec()).map_err(|error| error.to_string())
        };
        assert!(
            with("--limits={\"reference_leash_m\":0}").unwrap_err().contains("reference_leash_m")
        );
        assert!(with("--limits={\"speed\":1}").unwrap_err().contains("unknown field"));
        assert!(with("--transport=can").unwrap_err().contains("none of usb, ethernet"));
        assert!(with("--stopped=maybe").unwrap_err().contains("none of operator, supervisor"));
        assert!(with("--priority=0").is_err());
        assert_eq!(
            with("--limits={\"reference_leash_m\":0.02}").unwrap().limits.reference_leash_m,
            0.02
        );
    }
}
