//! Where the files of a dataset lie: chunk and file numbers, and the templates of paths that
//! `info.json` gives in Python's format language. A path never leaves the dataset's folder.

use std::path::{Component, Path, PathBuf};

/// The template that lerobot and this package write.
pub(crate) const DATA_PATH: &str = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";
/// The same for videos.
pub(crate) const VIDEO_PATH: &str =
    "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4";
/// Files a folder holds before the next one is begun, unless `info.json` says otherwise.
pub(crate) const CHUNKS_SIZE: usize = 1000;

/// Place of one file in its tree: `chunk-xxx/file-yyy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FilePlace {
    pub chunk: usize,
    pub file: usize,
}

impl FilePlace {
    /// The place after this one, with `chunks_size` files a folder.
    pub fn next(self, chunks_size: usize) -> Self {
        if self.file + 1 < chunks_size {
            Self { file: self.file + 1, ..self }
        } else {
            Self { chunk: self.chunk + 1, file: 0 }
        }
    }

    /// The data file at this place, as this package names it.
    pub fn data(self, root: &Path) -> PathBuf {
        root.join("data").join(self.relative())
    }

    /// The file of episode metadata at this place.
    pub fn episodes(self, root: &Path) -> PathBuf {
        root.join("meta/episodes").join(self.relative())
    }

    fn relative(self) -> String {
        format!("chunk-{:03}/file-{:03}.parquet", self.chunk, self.file)
    }

    /// The place that a path `.../chunk-xxx/file-yyy.parquet` names.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let file = name.strip_prefix("file-")?.strip_suffix(".parquet")?.parse().ok()?;
        let folder = path.parent()?.file_name()?.to_str()?;
        Some(Self { chunk: folder.strip_prefix("chunk-")?.parse().ok()?, file })
    }
}

/// A path with fields, such as `data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathTemplate(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Chunk(Digits),
    File(Digits),
    Key,
}

/// At least this many digits, filled up with this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Digits {
    width: usize,
    fill: char,
}

impl PathTemplate {
    /// Reads a template; an error says what in it cannot be followed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut chars = text.chars().peekable();
        while let Some(next) = chars.next() {
            match next {
                '{' | '}' if chars.peek() == Some(&next) => {
                    chars.next();
                    literal.push(next);
                }
                '{' => {
                    let field: String = chars.by_ref().take_while(|&c| c != '}').collect();
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::parse(&field)?);
                }
                _ => literal.push(next),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        let template = Self(parts);
        let inside = |c: Component| matches!(c, Component::Normal(_) | Component::CurDir);
        if !Path::new(&template.filled(FilePlace::default(), "key")).components().all(inside) {
            return Err("leads out of the dataset's folder".to_owned());
        }
        Ok(template)
    }

    /// The path of a file below the dataset's folder.
    pub fn path(&self, root: &Path, place: FilePlace, key: &str) -> PathBuf {
        root.join(self.filled(place, key))
    }

    fn filled(&self, place: FilePlace, key: &str) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Chunk(digits) => digits.of(place.chunk),
                Part::File(digits) => digits.of(place.file),
                Part::Key => key.to_owned(),
            })
            .collect()
    }
}

impl Part {
    fn parse(field: &str) -> Result<Self, String> {
        let (name, format) = field.split_once(':').unwrap_or((field, ""));
        match name {
            "chunk_index" => Ok(Part::Chunk(Digits::parse(format, field)?)),
            "file_index" => Ok(Part::File(Digits::parse(format, field)?)),
            "video_key" if matches!(format, "" | "s") => Ok(Part::Key),
            "episode_chunk" | "episode_index" => Err(format!(
                "names {{{field}}}, as format v2.1 does, where every episode had a file of its own"
            )),
            _ => Err(format!("names {{{field}}}, which is not known")),
        }
    }
}

impl Digits {
    /// Python's format of a whole number: `03d`, `3d`, `d` or nothing.
    fn parse(format: &str, field: &str) -> Result<Self, String> {
        let digits = format.strip_suffix('d').unwrap_or(format);
        let fill = if digits.starts_with('0') { '0' } else { ' ' };
        let width = if digits.is_empty() { Ok(0) } else { digits.parse() };
        match width {
            Ok(width) if width <= 20 => Ok(Self { width, fill }),
            _ => Err(format!("has the field {{{field}}}, whose format is not known")),
        }
    }

    fn of(self, number: usize) -> String {
        let digits = number.to_string();
        let missing = self.width.saturating_sub(digits.len());
        std::iter::repeat_n(self.fill, missing).chain(digits.chars()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn path(template: &str) -> Result<String, String> {
        let place = FilePlace { chunk: 7, file: 1234 };
        Ok(PathTemplate::parse(template)?.filled(place, "cam.top"))
    }

    #[test]
    fn templates_are_filled_as_python_does() {
        assert_eq!(path(DATA_PATH).unwrap(), "data/chunk-007/file-1234.parquet");
        assert_eq!(path("d/{chunk_index}/{file_index:06d}.pq").unwrap(), "d/7/001234.pq");
        assert_eq!(path("d/{chunk_index:d}{{x}}{file_index:5}").unwrap(), "d/7{x} 1234");
        assert_eq!(path(VIDEO_PATH).unwrap(), "videos/cam.top/chunk-007/file-1234.mp4");
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for (template, words) in [
            ("data/{episode_chunk:03d}/{episode_index:06d}.parquet", "v2.1"),
            ("data/{shard}.parquet", "{shard}"),
            ("data/{file_index:x}.parquet", "{file_index:x}"),
            ("data/{file_index:0999999999d}.parquet", "format is not known"),
            ("../{file_index}.parquet", "out of the dataset"),
            ("/etc/{file_index}", "out of the dataset"),
        ] {
            let error = path(template).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_full_folder_is_followed_by_the_next() {
        let place = FilePlace { chunk: 0, file: 1 };
        assert_eq!(place.next(2), FilePlace { chunk: 1, file: 0 });
        assert_eq!(place.next(1000), FilePlace { chunk: 0, file: 2 });
    }
}
