//! Datasets changed after they were recorded: episodes left out, put together, parted, labelled
//! anew, pictures made videos. All of it is one thing: a list of episodes, of one dataset or of
//! several, written as a new dataset, which then takes the place of the old one or a new place
//! (`disk.rs`). Whose dataset it is does not matter: columns that this package does not know are
//! kept (`table.rs`), videos are kept as whole files. What cannot be kept is refused by name.

mod compose;
mod disk;
mod plan;
mod table;
mod video;

use crate::error::{DatasetError, IoContext};
use crate::lock::lock;
use compose::Composed;
use disk::{Disk, can_exchange, has_room, work_folder};
use plan::Checked;
use std::path::{Path, PathBuf};

pub use disk::Hook;
pub use video::{Codec, VideoPlan};

/// An episode of a source, and what changes about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Which of the sources.
    pub source: usize,
    /// Its number there.
    pub episode: usize,
    /// The new text of its task.
    pub task: Option<String>,
    /// The new label: whether the task was done.
    pub success: Option<bool>,
}

/// A dataset to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its folder.
    pub root: PathBuf,
    /// Its episodes, in order.
    pub episodes: Vec<Taken>,
}

/// An edit, judged but not carried out.
pub struct Edit {
    sources: Vec<PathBuf>,
    targets: Vec<Target>,
    in_place: bool,
    video: Option<VideoPlan>,
}

/// What an edit makes of one dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The dataset.
    pub root: PathBuf,
    /// Episodes.
    pub episodes: usize,
    /// Rows.
    pub frames: usize,
    /// Tasks.
    pub tasks: usize,
    /// About what is written \[bytes\]; files that stay as they are take no more room.
    pub bytes: u64,
}

impl Edit {
    /// The dataset in `root` with these of its episodes, in this order.
    pub fn in_place(root: &Path, episodes: Vec<Taken>) -> Result<Self, DatasetError> {
        // What a link leads to is exchanged, not the link.
        let root = root.canonicalize().at("open", root)?;
        let targets = vec![Target { root: root.clone(), episodes }];
        Ok(Self { sources: vec![root], targets, in_place: true, video: None })
    }

    /// New datasets of the episodes of others, which stay as they are.
    pub fn into_new(sources: Vec<PathBuf>, targets: Vec<Target>) -> Self {
        Self { sources, targets, in_place: false, video: None }
    }

    /// This edit with the pictures of the tables made videos.
    pub fn with_videos(self, video: VideoPlan) -> Self {
        Self { video: Some(video), ..self }
    }

    /// What carrying it out would make, or why it cannot be. Changes nothing.
    pub fn plan(&self) -> Result<Vec<Outcome>, DatasetError> {
        let checked = Checked::new(&self.sources, &self.targets, self.in_place, &self.video)?;
        Ok(checked.outcomes)
    }

    /// Carries it out. After an error the sources are as they were.
    pub fn carry_out(&self) -> Result<Vec<Outcome>, DatasetError> {
        self.carry_out_on(&mut |_| Ok(()))
    }

    /// As [`Edit::carry_out`]; `hook` is asked before every operation on the disk, and may end it.
    pub fn carry_out_on(&self, hook: &mut Hook<'_>) -> Result<Vec<Outcome>, DatasetError> {
        let _lock = match (self.in_place, self.sources.first()) {
            (true, Some(root)) => Some(lock(root)?),
            _ => None,
        };
        let checked = Checked::new(&self.sources, &self.targets, self.in_place, &self.video)?;
        let mut disk = Disk::new(hook);
        let works: Vec<PathBuf> = self.targets.iter().map(|t| work_folder(&t.root)).collect();
        for ((target, work), outcome) in self.targets.iter().zip(&works).zip(&checked.outcomes) {
            disk.clear(work)?;
            disk.prepare(&work.join("dataset"))?;
            has_room(work, outcome.bytes)?;
            if self.in_place && !can_exchange(work)? {
                let reason = "this file system cannot exchange two folders in one step: write a new \
                              dataset with --out";
                return Err(DatasetError::NotEditable {
                    root: target.root.clone(),
                    reason: reason.to_owned(),
                });
            }
        }
        let built = self.build(&checked, &works, &mut disk);
        // The first error is the one that matters; what is left here the next edit removes.
        for work in &works {
            let cleared = disk.clear(work);
            if built.is_ok() {
                cleared?;
            }
        }
        built.map(|()| checked.outcomes)
    }

    fn build(
        &self,
        checked: &Checked,
        works: &[PathBuf],
        disk: &mut Disk<'_>,
    ) -> Result<(), DatasetError> {
        for (target, work) in self.targets.iter().zip(works) {
            let new = work.join("dataset");
            let composed = Composed { checked, target, root: &new, share: self.in_place };
            composed.write(disk, self.video.as_ref())?;
            disk.settle(&new)?;
        }
        for (target, work) in self.targets.iter().zip(works) {
            let new = work.join("dataset");
            if self.in_place {
                // A writer that comes when the folders are exchanged finds this one taken, too.
                let _lock = lock(&new)?;
                disk.exchange(&new, &target.root)?;
            } else {
                disk.place(&new, &target.root)?;
            }
        }
        Ok(())
    }
}
