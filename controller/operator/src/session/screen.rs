//! What a session looks like in a terminal: one line that changes, and lines that stay.

use super::hands::STEERING_KEYS;
use indicatif::{ProgressBar, ProgressStyle};
use jaco_api::{KeptEpisode, Phase, SessionEvent, SessionProgress, SpeedMode};
use jaco_cli::record::KEYS;
use jaco_core::Word;
use jaco_shell::say;

/// The line that changes.
pub struct Screen {
    bar: ProgressBar,
    phase: Phase,
    still: Option<String>,
    introduced: bool,
}

impl Default for Screen {
    fn default() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, phase: Phase::Teleoperation, still: None, introduced: false }
    }
}

impl Screen {
    /// Whether an episode is under way.
    pub fn recording(&self) -> bool {
        matches!(self.phase, Phase::Recording | Phase::Deciding)
    }

    /// Shows what happened.
    pub fn show(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::Began { dataset, episodes, repairs, .. } => {
                for repair in repairs {
                    self.stays(&format!("repaired: {repair}"));
                }
                if let Some(root) = dataset.as_ref().filter(|_| !self.introduced) {
                    let keys = KEYS.iter().map(|(key, what)| format!("  {key}  {what}"));
                    self.stays(&format!(
                        "recording into {} ({episodes} episodes so far)\n{}",
                        root.display(),
                        keys.collect::<Vec<_>>().join("\n")
                    ));
                }
                self.introduced = true;
            }
            SessionEvent::Progress(progress) => {
                self.phase = progress.phase;
                self.bar.set_message(line(progress, self.still.as_deref()));
            }
            SessionEvent::Told { what } => self.stays(what),
            SessionEvent::Still { why } => self.still.clone_from(why),
            SessionEvent::Recording { episode } => {
                self.phase = Phase::Recording;
                self.stays(&format!("episode {episode} begins"));
            }
            SessionEvent::Kept(kept) => self.stays(&of_kept(kept)),
            SessionEvent::Discarded { steps } => {
                self.stays(&format!("discarded an episode of {steps} steps"));
            }
            SessionEvent::Step { .. } | SessionEvent::Ended { .. } => {}
        }
    }

    /// Says why an order was not taken.
    pub fn refused(&self, why: &str) {
        self.stays(why);
    }

    /// Says which keys steer.
    pub fn introduce_steering(&self) {
        self.stays(STEERING_KEYS);
    }

    /// Removes the line that changes.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn stays(&self, text: &str) {
        self.bar.suspend(|| say::aside(text));
    }
}

fn of_kept(kept: &KeptEpisode) -> String {
    let KeptEpisode { episode, steps, achieved_hz, keep_ms, .. } = kept;
    let label = kept.label.map_or(String::new(), |label| format!(", {}", label.name()));
    let mut text = format!(
        "kept episode {episode}{label}: {steps} steps at {achieved_hz:.2} Hz, safe after \
         {keep_ms:.0} ms"
    );
    if !kept.doubts.is_empty() {
        text.push_str(&format!("\n  DOUBTFUL: {}", kept.doubts.join("; ")));
    }
    text
}

fn line(progress: &SessionProgress, still: Option<&str>) -> String {
    let phase = match progress.phase {
        Phase::Teleoperation => "steering",
        Phase::Ready => "ready",
        Phase::Recording => "RECORDING",
        Phase::Deciding => "keep or discard?",
        Phase::Resetting => "reset the table",
    };
    let speed = match progress.speed {
        SpeedMode::Slow => "slow",
        SpeedMode::Normal => "normal",
        SpeedMode::Fast => "fast",
    };
    let mut parts = vec![phase.to_owned()];
    if progress.wanted > 0 {
        parts.push(format!("episode {}/{}", progress.kept + 1, progress.wanted));
    }
    parts.push(format!("step {:>3}", progress.steps));
    if progress.achieved_hz > 0.0 {
        parts.push(format!("{:.2} Hz", progress.achieved_hz));
    }
    if let Some(left_s) = progress.left_s {
        parts.push(format!("{left_s:.0} s left"));
    }
    if progress.flagged > 0 || progress.dropped_frames > 0 {
        parts.push(format!(
            "{} marked, {} frames dropped",
            progress.flagged, progress.dropped_frames
        ));
    }
    if let Some(gib) = progress.disk_left_gib {
        let room =
            progress.room_min.map_or(String::new(), |minutes| format!(" ({minutes:.0} min)"));
        parts.push(format!("disk {gib:.1} GiB{room}"));
    }
    parts.push(match still {
        Some(why) => why.to_owned(),
        None => speed.to_owned(),
    });
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_matters_is_on_one_line() {
        let progress = SessionProgress {
            phase: Phase::Recording,
            kept: 3,
            wanted: 50,
            steps: 42,
            achieved_hz: 9.998,
            flagged: 1,
            dropped_frames: 2,
            left_s: Some(17.6),
            disk_left_gib: Some(81.25),
            room_min: Some(119.4),
            engaged: true,
            speed: SpeedMode::Normal,
        };
        assert_eq!(
            line(&progress, None),
            "RECORDING  episode 4/50  step  42  10.00 Hz  18 s left  1 marked, 2 frames dropped  \
             disk 81.2 GiB (119 min)  normal"
        );
        assert!(line(&progress, Some("hold RB to move")).ends_with("(119 min)  hold RB to move"));
    }
}
