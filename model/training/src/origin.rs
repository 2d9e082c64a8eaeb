//! Where states are from, for those who have to look at them: dataset, episode and frame.
//!
//! Owns the order in which states are counted, and the words. Must never read a dataset.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where each state is from, by its number.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    roots: Vec<PathBuf>,
    /// First state, dataset and episode of consecutive states.
    spans: Vec<(u32, usize, usize)>,
    frames: Vec<u32>,
}

impl Origins {
    /// Begins the next dataset.
    pub fn begin(&mut self, root: PathBuf) {
        self.roots.push(root);
    }

    /// The next states are those that begin with rows `frames` of `episode` of the last dataset
    /// begun.
    pub fn push(&mut self, episode: usize, frames: &[usize]) {
        let first = self.frames.len() as u32;
        self.spans.push((first, self.roots.len().saturating_sub(1), episode));
        self.frames.extend(frames.iter().map(|&frame| frame as u32));
    }

    /// Where `states` are from.
    pub fn of(&self, states: &[u32]) -> BatchOrigin {
        let mut found = BTreeMap::<(usize, usize), Vec<u32>>::new();
        for &state in states {
            let Some(&frame) = self.frames.get(state as usize) else { continue };
            let after = self.spans.partition_point(|(first, ..)| *first <= state);
            let (_, dataset, episode) = self.spans[after - 1];
            found.entry((dataset, episode)).or_default().push(frame);
        }
        let named = found.into_iter().map(|((dataset, episode), mut frames)| {
            frames.sort_unstable();
            (self.roots[dataset].clone(), episode, frames)
        });
        BatchOrigin(named.collect())
    }
}

/// Where the states of a batch are from: dataset, episode, and frames of the episode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchOrigin(pub Vec<(PathBuf, usize, Vec<u32>)>);

impl fmt::Display for BatchOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = None;
        for (root, episode, frames) in &self.0 {
            match before == Some(root) {
                true => write!(f, "; ")?,
                false if before.is_some() => write!(f, "; dataset {}, ", root.display())?,
                false => write!(f, "dataset {}, ", root.display())?,
            }
            before = Some(root);
            let frames: Vec<String> = frames.iter().map(u32::to_string).collect();
            let many = if frames.len() > 1 { "s" } else { "" };
            write!(f, "episode {episode} frame{many} {}", frames.join(" "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_found_in_its_dataset_episode_and_frame() {
        let mut origins = Origins::default();
        origins.begin("a".into());
        origins.push(0, &[0, 3, 6]);
        origins.push(2, &[]);
        origins.push(2, &[1, 4]);
        origins.begin("b".into());
        // Two tasks in one episode.
        origins.push(0, &[0]);
        origins.push(0, &[7]);
        let each: Vec<String> = (0..7).map(|state| origins.of(&[state]).to_string()).collect();
        let wanted = [
            "dataset a, episode 0 frame 0",
            "dataset a, episode 0 frame 3",
            "dataset a, episode 0 frame 6",
            "dataset a, episode 2 frame 1",
            "dataset a, episode 2 frame 4",
            "dataset b, episode 0 frame 0",
            "dataset b, episode 0 frame 7",
        ];
        assert_eq!(each, wanted);
        assert_eq!(
            origins.of(&[6, 2, 4, 0, 0, 99]).to_string(),
            "dataset a, episode 0 frames 0 0 6; episode 2 frame 4; dataset b, episode 0 frame 7"
        );
    }
}
