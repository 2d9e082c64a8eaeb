//! The plots of a training, drawn anew while it runs: `training/loss.png` and its like, from
//! `training/metrics.jsonl`.
//!
//! Owns the thread that draws, at the lowest priority, and how often it does. A training never
//! waits for it and never fails because of it.

use crate::detached::step_back;
use jaco_report::training_plots;
use jaco_shell::say::aside;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Plots are drawn at most so often \[ns\], but for the last ones.
const EVERY_NS: u64 = 20_000_000_000;

/// What draws.
pub struct Plots {
    due_ns: u64,
    wishes: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Plots {
    /// Draws for the training in the folder `out`.
    pub fn begin(out: &Path) -> std::io::Result<Self> {
        let (wishes, heard) = sync_channel(1);
        let training = out.join("training");
        let thread = Builder::new().name("plots".to_owned()).spawn(move || keep(&training, &heard));
        Ok(Self { due_ns: 0, wishes: Some(wishes), thread: Some(thread?) })
    }

    /// There are new lines at `now_ns`.
    pub fn news(&mut self, now_ns: u64) {
        if now_ns < self.due_ns {
            return;
        }
        self.due_ns = now_ns + EVERY_NS;
        // One that still draws will not be told twice.
        let _ = self.wishes.as_ref().map(|wishes| wishes.try_send(()));
    }

    /// Draws once more and ends.
    pub fn end(mut self) {
        if let Some(wishes) = self.wishes.take() {
            let _ = wishes.send(());
        }
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn keep(training: &Path, wishes: &Receiver<()>) {
    step_back();
    let mut is_told = false;
    while wishes.recv().is_ok() {
        match draw(training) {
            Err(error) if !is_told => {
                is_told = true;
                aside(format_args!("the training's plots are not drawn: {error}"));
            }
            _ => {}
        }
    }
}

fn draw(training: &Path) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(training.join("metrics.jsonl"))?;
    for (name, png) in training_plots(text.lines())? {
        let path: PathBuf = training.join(format!("{name}.png"));
        let partial = path.with_extension("png.partial");
        fs::write(&partial, png)?;
        fs::rename(partial, path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LINES: &str = "{\"kind\":\"train\",\"step\":10,\"loss\":2.0,\"token_loss\":2.0}\n\
                         {\"kind\":\"train\",\"step\":20,\"loss\":1.0,\"token_loss\":1.0}\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("training")).unwrap();
        folder
    }

    #[test]
    fn plots_are_there_at_the_end_whatever_was_asked_before() {
        let folder = folder();
        fs::write(folder.path().join("training/metrics.jsonl"), LINES).unwrap();
        let mut plots = Plots::begin(folder.path()).unwrap();
        (0..100).for_each(|second| plots.news(second * 1_000_000_000));
        plots.end();
        let png = fs::read(folder.path().join("training/loss.png")).unwrap();
        assert!(png.starts_with(b"\x89PNG"));
        assert!(!folder.path().join("training/loss.png.partial").exists());
    }

    #[test]
    fn a_folder_that_is_gone_is_no_failure() {
        let folder = folder();
        let mut plots = Plots::begin(folder.path()).unwrap();
        plots.news(0);
        plots.end();
        let left = fs::read_dir(folder.path().join("training")).unwrap().count();
        assert_eq!(left, 0);
    }
}
