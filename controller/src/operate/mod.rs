//! What `jaco` does itself: talk to the daemon, watch a run, show the demo.
//!
//! Words go to stderr or, for people, stdout; with `--json` stdout holds one object and nothing
//! else. No control logic: that is the daemon's.

pub mod demo;
pub mod run;

use crate::api::{CameraStatus, Done, Status};
use crate::cli::exit;
use crate::client::{Client, ClientError};
use std::fmt::Write;

/// The exit code that stands for `error`.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::NoDaemon { .. }) => exit::NO_DAEMON,
        Some(ClientError::Refused(_)) => exit::REFUSED,
        _ => exit::FAILED,
    }
}

/// `jaco status`.
pub async fn status(client: &Client, json: bool) -> anyhow::Result<()> {
    let status: Status = client.get("/v1/status").await?;
    if json {
        println!("{}", serde_json::to_string(&status)?);
    } else {
        print!("{}", in_words(&status));
    }
    Ok(())
}

/// `jaco home`, `stop` and `reset`: one request, one answer.
pub async fn request(client: &Client, path: &str, json: bool) -> anyhow::Result<()> {
    let done: Done = client.post(path, &serde_json::json!({})).await?;
    if json {
        println!("{}", serde_json::to_string(&done)?);
    } else {
        println!("{}", done.done);
    }
    Ok(())
}

fn in_words(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<9}{value}");
    };
    let mode = serde_json::to_value(status.mode).unwrap_or_default();
    line("mode", mode.as_str().unwrap_or("?").to_owned());
    for fault in &status.faults {
        line("fault", fault.clone());
    }
    if let (Some([x, y, z]), Some(opening)) = (status.position_m, status.opening) {
        line(
            "tool",
            format!("x {x:+.3} m  y {y:+.3} m  z {z:+.3} m  gripper {:.0} % open", opening * 100.0),
        );
    }
    if let Some(joints) = status.joints_deg {
        let joints: Vec<String> = joints.iter().map(|angle| format!("{angle:.1}")).collect();
        line("joints", format!("{} deg", joints.join(" ")));
    }
    line(
        "servo",
        format!(
            "{} ticks, {} late, {} restarts",
            status.ticks, status.late_ticks, status.servo_restarts
        ),
    );
    for camera in &status.cameras {
        line("camera", camera_in_words(camera));
    }
    if let Some(policy) = &status.policy {
        line("policy", format!("{} (H <= {})", policy.checkpoint.display(), policy.horizon));
        if let Some(adapter) = &policy.adapter {
            line("adapter", adapter.display().to_string());
        }
        line(
            "decoding",
            format!(
                "{}; statistics of {}; {} on {}",
                policy.decode, policy.statistics, policy.dtype, policy.device
            ),
        );
    }
    text
}

fn camera_in_words(camera: &CameraStatus) -> String {
    let age = match camera.frame_age_ms {
        Some(age) => format!("{} frames, the last {age:.0} ms ago", camera.frames),
        None => "no frame yet".to_owned(),
    };
    let fault = if camera.fault.is_empty() { "" } else { ": " };
    format!("{} {age}{fault}{}", camera.name, camera.fault)
}
