//! The section `[record]`: what recording sessions write, and when they stop.

use crate::camera::Camera;
use crate::section::Section;
use jaco_core::Word;
use serde::Serialize;

/// Recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Names of the cameras whose pictures are recorded; each is one of [`crate::Config::cameras`].
    pub cameras: Vec<String>,
    /// How pictures are stored.
    pub pictures: Pictures,
    /// With [`Pictures::Jpeg`]: the quality, 1 to 100.
    pub jpeg_quality: u8,
    /// What an episode holds of the time before its beginning \[s\].
    pub pre_roll_s: f64,
    /// Longest episode \[s\].
    pub max_s: f64,
    /// Pause after an episode \[s\].
    pub reset_s: f64,
    /// Room on the disk at which recording ends \[GiB\].
    pub min_free_gib: f64,
}

/// How pictures are stored in a dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pictures {
    /// Without loss.
    #[default]
    Png,
    /// Compressed with loss.
    Jpeg,
    /// As the camera compressed them, where it does; otherwise without loss.
    Camera,
}

impl Word for Pictures {
    const ALL: &'static [Self] = &[Pictures::Png, Pictures::Jpeg, Pictures::Camera];

    fn name(self) -> &'static str {
        match self {
            Pictures::Png => "png",
            Pictures::Jpeg => "jpeg",
            Pictures::Camera => "camera",
        }
    }
}

pub(crate) fn read(mut section: Section<'_>, cameras: &[Option<Camera>]) -> Record {
    let all = || cameras.iter().flatten().map(|camera| camera.name.clone()).collect::<Vec<_>>();
    let names = section.texts("cameras");
    if let Some(names) = &names {
        let unknown = names.iter().find(|name| {
            // A refused camera may be the one that is meant: the user fixes that first.
            cameras.iter().all(|camera| camera.as_ref().is_some_and(|c| c.name != **name))
        });
        let twice = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name));
        if let Some(name) = unknown {
            let known = all().iter().map(|name| format!("{name:?}")).collect::<Vec<_>>();
            let known = known.join(", ");
            let reason = format!("no [[camera]] has the name {name:?}; there is {known}");
            section.refuse("cameras", reason);
        } else if let Some((_, name)) = twice {
            section.refuse("cameras", format!("{name:?} is named twice"));
        } else if names.is_empty() {
            section.refuse("cameras", "must name at least one camera".to_owned());
        }
    }
    let record = Record {
        cameras: names.unwrap_or_else(all),
        pictures: section.word("pictures").unwrap_or_default(),
        jpeg_quality: section.integer("jpeg_quality", 1..=100).unwrap_or(95),
        pre_roll_s: section.number("pre_roll_s", 0.0..=10.0).unwrap_or(0.0),
        max_s: section.number("max_s", 1.0..=3600.0).unwrap_or(60.0),
        reset_s: section.number("reset_s", 0.0..=600.0).unwrap_or(5.0),
        min_free_gib: section.number("min_free_gib", 0.1..=1000.0).unwrap_or(2.0),
    };
    section.finish();
    record
}
