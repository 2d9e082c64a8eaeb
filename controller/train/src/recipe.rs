//! The recipe: a TOML file with hyper-parameters, and with datasets that have options of their own.
//!
//! Owns its keys. A key that is not read is refused with its line: a misspelt one would be a setting
//! that silently is not made. One recipe may serve several stages: what only another one reads is
//! left aside.

use crate::error::{InputError, MOST_REPEATS};
use jaco_core::Word;
use jaco_training::{
    CORRECTION_WEIGHTS, Corrections, DatasetSource, GripperRange, LbcConfig, SaaConfig, Selection,
    StageConfig, Stale, Success, TrainConfig, VisionConfig, flat, unflat,
};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Key of the datasets.
const DATASET: &str = "dataset";
/// Keys of a dataset.
const KEYS: [&str; 12] = [
    "path",
    "repeat",
    "camera",
    "action",
    "gripper",
    "displacements",
    "unit_m",
    "unit_rad",
    "corrections",
    "correction_weight",
    "success",
    "stale",
];

/// A recipe that was read for a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe<S> {
    /// Hyper-parameters that all stages share, defaults where the recipe says nothing.
    pub train: TrainConfig,
    /// The stage's own.
    pub own: S,
    /// Its datasets.
    pub sections: Vec<Section>,
    /// The settings that it names, each with its line.
    pub given: BTreeMap<String, usize>,
}

/// One `[[dataset]]`: what it says of its dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    path: PathBuf,
    repeat: Option<u32>,
    camera: Option<String>,
    action: Option<String>,
    gripper: Option<GripperRange>,
    displacements: Option<bool>,
    unit_m: Option<f64>,
    unit_rad: Option<f64>,
    corrections: Option<Corrections>,
    correction_weight: Option<f64>,
    success: Option<Success>,
    stale: Option<Stale>,
}

impl Section {
    /// The dataset, with the options `for_all` where the section has none.
    pub fn over(self, for_all: &DatasetSource) -> DatasetSource {
        let for_all = for_all.clone();
        let all = for_all.selection;
        DatasetSource {
            root: self.path,
            repeat: self.repeat.unwrap_or(for_all.repeat),
            camera: self.camera.or(for_all.camera),
            action: self.action.or(for_all.action),
            gripper: self.gripper.or(for_all.gripper),
            displacements: self.displacements.unwrap_or(for_all.displacements),
            unit_m: self.unit_m.unwrap_or(for_all.unit_m),
            unit_rad: self.unit_rad.unwrap_or(for_all.unit_rad),
            selection: Selection {
                corrections: self.corrections.unwrap_or(all.corrections),
                correction_weight: self.correction_weight.unwrap_or(all.correction_weight),
                success: self.success.unwrap_or(all.success),
                stale: self.stale.unwrap_or(all.stale),
            },
        }
    }
}

impl<S: StageConfig> Default for Recipe<S> {
    fn default() -> Self {
        let (train, own) = (S::train_defaults(), S::default());
        Self { train, own, sections: Vec::new(), given: BTreeMap::new() }
    }
}

impl<S: StageConfig> Recipe<S> {
    /// Reads the recipe at `path`; all its faults are reported at once.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| InputError::Recipe { path: path.to_owned(), source })?;
        let mut reader = Reader { path, text: &text, faults: Vec::new() };
        let recipe = reader.recipe();
        let mut faults = reader.faults;
        faults.sort_by_key(|(line, _)| *line);
        match faults.is_empty() {
            true => Ok(recipe),
            false => {
                Err(InputError::RecipeFaults(faults.into_iter().map(|(_, fault)| fault).collect()))
            }
        }
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    /// Lines and what is wrong there.
    faults: Vec<(usize, String)>,
}

/// The settings of the stages other than `S`, at least.
fn of_all_stages() -> Map<String, Json> {
    let mut all = flat(&TrainConfig::default(), &LbcConfig::default());
    all.extend(flat(&TrainConfig::default(), &VisionConfig {}));
    all.extend(flat(&TrainConfig::default(), &SaaConfig::default()));
    all
}

impl<'a> Reader<'a> {
    fn recipe<S: StageConfig>(&mut self) -> Recipe<S> {
        let table = match DeTable::parse(self.text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                self.fault(span, &format!("is not TOML: {}", error.message()));
                return Recipe::default();
            }
        };
        let (mut sections, mut given) = (Vec::new(), BTreeMap::new());
        let mut settings = flat(&S::train_defaults(), &S::default());
        let elsewhere = of_all_stages();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if name == DATASET {
                sections = self.sections(value);
                continue;
            }
            let Some(known) = settings.get(name).or_else(|| elsewhere.get(name)) else {
                let known = settings.keys().map(String::as_str).chain([DATASET]);
                let known = known.collect::<Vec<_>>().join(", ");
                self.fault(key.span(), &format!("{name}: no such setting; there are {known}"));
                continue;
            };
            let words = TrainConfig::words(name).or_else(|| S::words(name));
            match read(known, words, value.get_ref()) {
                Ok(value) => {
                    settings.insert(name.to_owned(), value);
                    given.insert(name.to_owned(), self.line(key.span()));
                }
                Err(wanted) => {
                    let written = &self.text[value.span()];
                    self.fault(value.span(), &format!("{name} = {written}: wanted is {wanted}"));
                }
            }
        }
        match unflat(&settings) {
            Ok((train, own)) => Recipe { train, own, sections, given },
            Err(error) => {
                self.fault(0..0, &format!("cannot be understood: {error}"));
                Recipe::default()
            }
        }
    }

    fn sections(&mut self, value: Spanned<DeValue<'a>>) -> Vec<Section> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Array(items) => {
                items.into_iter().filter_map(|item| self.section(item)).collect()
            }
            _ => {
                self.fault(span, "dataset: write each dataset as a section [[dataset]]");
                Vec::new()
            }
        }
    }

    fn section(&mut self, item: Spanned<DeValue<'a>>) -> Option<Section> {
        let span = item.span();
        let DeValue::Table(table) = item.into_inner() else {
            self.fault(span, "dataset: write each dataset as a section [[dataset]]");
            return None;
        };
        if !table.keys().any(|key| key.get_ref() == "path") {
            self.fault(span, "this dataset has no path");
        }
        let mut section = Section::default();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if !KEYS.contains(&name) {
                let known = KEYS.join(", ");
                let problem = format!("{name}: a dataset has no such key; it has {known}");
                self.fault(key.span(), &problem);
            } else if let Err(wanted) = section.set(name, value.get_ref()) {
                let written = &self.text[value.span()];
                self.fault(value.span(), &format!("{name} = {written}: wanted is {wanted}"));
            }
        }
        Some(section)
    }

    fn line(&self, span: Range<usize>) -> usize {
        let before = &self.text[..span.start.min(self.text.len())];
        1 + before.bytes().filter(|&byte| byte == b'\n').count()
    }

    fn fault(&mut self, span: Range<usize>, problem: &str) {
        let line = self.line(span);
        self.faults.push((line, format!("{}:{line}: {problem}", self.path.display())));
    }
}

/// `value`, which must be of the kind of `known` and one of the `words` where there are some; the
/// error is what is wanted.
fn read(known: &Json, words: Option<Vec<&'static str>>, value: &DeValue) -> Result<Json, String> {
    if let Some(words) = words {
        let given = text(value).ok().filter(|given| words.contains(&given.as_str()));
        let quoted = || words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>();
        return given.map(Json::from).ok_or_else(|| quoted().join(" or "));
    }
    Ok(match known {
        Json::String(_) => text(value)?.into(),
        Json::Bool(_) => truth(value)?.into(),
        Json::Number(number) if number.is_u64() => whole(value, "a whole number from 0")?.into(),
        Json::Array(pair) => {
            let wanted = "a list of two numbers";
            let DeValue::Array(items) = value else { return Err(wanted.to_owned()) };
            if items.len() != pair.len() {
                return Err(wanted.to_owned());
            }
            let numbers = items.iter().map(|item| number(item.get_ref()));
            numbers.collect::<Result<Vec<f64>, _>>().map_err(|_| wanted)?.into()
        }
        _ => number(value)?.into(),
    })
}

impl Section {
    /// Sets a key of [`KEYS`]; the error is what is wanted.
    fn set(&mut self, name: &str, value: &DeValue) -> Result<(), &'static str> {
        let unit = |value| match number(value) {
            Ok(number) if number > 0.0 => Ok(Some(number)),
            _ => Err("a number above 0"),
        };
        match name {
            "path" => self.path = folder(value)?,
            "repeat" => {
                let wanted = "a whole number from 1 to 1000";
                let number = u32::try_from(whole(value, wanted)?).map_err(|_| wanted)?;
                if !(1..=MOST_REPEATS).contains(&number) {
                    return Err(wanted);
                }
                self.repeat = Some(number);
            }
            "camera" => self.camera = Some(text(value)?),
            "action" => self.action = Some(text(value)?),
            "gripper" => {
                let wanted = "a text CLOSED..OPEN such as \"-1..1\" or \"1..0\"";
                let range = text(value).map_err(|_| wanted)?.parse().map_err(|_| wanted)?;
                self.gripper = Some(range);
            }
            "displacements" => self.displacements = Some(truth(value)?),
            "unit_m" => self.unit_m = unit(value)?,
            "unit_rad" => self.unit_rad = unit(value)?,
            "corrections" => {
                self.corrections = Some(word(value, "\"all\", \"only\" or \"without\"")?);
            }
            "correction_weight" => {
                let [least, most] = CORRECTION_WEIGHTS;
                let within = number(value).ok().filter(|weight| (least..=most).contains(weight));
                self.correction_weight = Some(within.ok_or("a number from 0.01 to 100")?);
            }
            "success" => self.success = Some(word(value, "\"all\" or \"only\"")?),
            "stale" => self.stale = Some(word(value, "\"skip\" or \"keep\"")?),
            _ => unreachable!("the keys of this match are KEYS"),
        }
        Ok(())
    }
}

fn folder(value: &DeValue) -> Result<PathBuf, &'static str> {
    let path = text(value)?;
    match path.starts_with('~') || path.contains('$') {
        true => Err("a path written out: ~ and $ stand for nothing here"),
        false if path.is_empty() => Err("the dataset's folder"),
        false => Ok(path.into()),
    }
}

fn text(value: &DeValue) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        _ => Err("a text in quotes"),
    }
}

fn word<T: Word>(value: &DeValue, wanted: &'static str) -> Result<T, &'static str> {
    let text = text(value).map_err(|_| wanted)?;
    T::ALL.iter().copied().find(|word| word.name() == text).ok_or(wanted)
}

fn truth(value: &DeValue) -> Result<bool, &'static str> {
    match value {
        DeValue::Boolean(truth) => Ok(*truth),
        _ => Err("true or false"),
    }
}

fn whole(value: &DeValue, wanted: &'static str) -> Result<u64, &'static str> {
    match value {
        DeValue::Integer(number) => {
            u64::from_str_radix(number.as_str(), number.radix()).map_err(|_| wanted)
        }
        _ => Err(wanted),
    }
}

fn number(value: &DeValue) -> Result<f64, &'static str> {
    let number = match value {
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number as f64)
        }
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite()).ok_or("a number")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_training::Trainable;

    fn read(text: &str) -> Result<Recipe<LbcConfig>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let name = file.path().display().to_string();
        Recipe::read(file.path()).map_err(|error| error.to_string().replace(&name, "recipe"))
    }

    #[test]
    fn settings_and_datasets_are_read() {
        let text = "learning_rate = 5e-4\nsteps = 1_000\nbetas = [0.9, 0.99]\nclip_norm = 2\n\
                    save_bf16 = true\ntrainable = \"decoder\"\nshort_horizon = 2\ndevice = \"cuda:0\"\n[[dataset]]\npath = \"a\"\nrepeat = 2\n\
                    [[dataset]]\npath = \"b:c\"\ncamera = \"top\"\ngripper = \"-1..1\"\n\
                    displacements = true\nunit_m = 0.001\nunit_rad = 1\naction = \"actions\"\n\
                    corrections = \"without\"\ncorrection_weight = 2.5\nsuccess = \"only\"\n\
                    stale = \"keep\"\n";
        let Recipe { train, own, sections, given } = read(text).unwrap();
        assert_eq!((given["learning_rate"], given["device"], given.len()), (1, 8, 8));
        let wanted = TrainConfig {
            learning_rate: 5e-4,
            steps: 1000,
            betas: [0.9, 0.99],
            clip_norm: 2.0,
            save_bf16: true,
            device: "cuda:0".into(),
            trainable: Trainable::Decoder,
            ..TrainConfig::default()
        };
        assert_eq!(train, wanted);
        assert_eq!(own, LbcConfig { short_horizon: 2, ..LbcConfig::default() });
        let for_all = DatasetSource {
            camera: Some("front".into()),
            gripper: Some("1..0".parse().unwrap()),
            ..DatasetSource::new("")
        };
        let [a, b] = <[Section; 2]>::try_from(sections).unwrap().map(|one| one.over(&for_all));
        assert_eq!(a, DatasetSource { root: "a".into(), repeat: 2, ..for_all });
        let wanted = DatasetSource {
            camera: Some("top".into()),
            action: Some("actions".into()),
            gripper: Some("-1..1".parse().unwrap()),
            displacements: true,
            unit_m: 0.001,
            selection: Selection {
                corrections: Corrections::Without,
                correction_weight: 2.5,
                success: Success::Only,
                stale: Stale::Keep,
            },
            ..DatasetSource::new("b:c")
        };
        assert_eq!(b, wanted);
        assert_eq!(read("").unwrap(), Recipe::default());
    }

    #[test]
    fn a_recipe_may_hold_what_only_another_stage_reads() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "token_jitter_bins = 3\nsteps = 7\n").unwrap();
        let recipe = Recipe::<VisionConfig>::read(file.path()).unwrap();
        assert_eq!(recipe.train.steps, 7);
        let error = read("trainable = \"some\"\naccumulation = -1\n").unwrap_err();
        let words = "recipe:1: trainable = \"some\": wanted is \"all\" or \"decoder\" or \"lora\"";
        assert!(error.contains(words) && error.contains("recipe:2: accumulation"), "{error}");
    }

    #[test]
    fn a_word_of_alignment_that_is_none_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "deviation = \"rewards\"\n").unwrap();
        let error = Recipe::<SaaConfig>::read(file.path()).unwrap_err().to_string();
        assert!(error.contains("wanted is \"reward\" or \"margin\""), "{error}");
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        let text = "batchsize = 3\nlearning_rate = \"fast\"\n\nsteps = -1\nbetas = [0.9]\n\
                    ema_decay = nan\n[[dataset]]\nrepeat = 0\n[[dataset]]\npath = \"~/demos\"\n\
                    grippers = 1\ngripper = \"0-1\"\ncorrections = \"some\"\n\
                    correction_weight = 0\nsuccess = true\nstale = \"drop\"\n";
        let error = read(text).unwrap_err();
        for words in [
            "recipe:1: batchsize: no such setting; there are ",
            "recipe:2: learning_rate = \"fast\": wanted is a number",
            "recipe:4: steps = -1: wanted is a whole number from 0",
            "recipe:5: betas = [0.9]: wanted is a list of two numbers",
            "recipe:6: ema_decay = nan: wanted is a number",
            "recipe:7: this dataset has no path",
            "recipe:8: repeat = 0: wanted is a whole number from 1 to 1000",
            "recipe:10: path = \"~/demos\": wanted is a path written out",
            "recipe:11: grippers: a dataset has no such key",
            "recipe:12: gripper = \"0-1\": wanted is a text CLOSED..OPEN",
            "recipe:13: corrections = \"some\": wanted is \"all\", \"only\" or \"without\"",
            "recipe:14: correction_weight = 0: wanted is a number from 0.01 to 100",
            "recipe:15: success = true: wanted is \"all\" or \"only\"",
            "recipe:16: stale = \"drop\": wanted is \"skip\" or \"keep\"",
        ] {
            assert!(error.contains(words), "{words}\n{error}");
        }
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].contains(":1:") && lines[9].contains(":12:"), "{error}");
    }

    #[test]
    fn what_is_no_toml_and_what_is_no_section_are_refused() {
        assert!(read("a = \n").unwrap_err().starts_with("recipe:1: is not TOML"));
        assert!(read("dataset = 3\n").unwrap_err().contains("[[dataset]]"));
        assert!(read("dataset = [\"a\"]\n").unwrap_err().contains("[[dataset]]"));
        let error = Recipe::<LbcConfig>::read(Path::new("not-there.toml")).unwrap_err();
        assert!(error.is_unusable_input(), "{error}");
        assert!(error.to_string().contains("cannot read the recipe not-there.toml"), "{error}");
    }
}
