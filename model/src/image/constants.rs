//! preprocessor_config.json: the constants of OpenVLA's image processor, and how a picture becomes
//! its square.
//!
//! Owns what wins there. OpenVLA's processor derives its steps (`tvf_...`) from
//! `image_resize_strategy`, `means` and the like, and then takes over what the file stores. So
//! stored constants win over those that they were made of (the published checkpoint restores
//! rounded ones), steps and strategy must agree, and config.json's strategy counts only where the
//! file says neither. Source: openvla `processing_prismatic.py`.

use super::{DEFAULT, ImageProcessor, Normalization, ResizeStrategy, letterbox_fill};
use crate::error::ModelError;
use crate::json::keys::PROCESSOR;
use crate::json::object::{boolean, integer, number};
use crate::json::{self, Object};
use serde_json::{Value, json};
use std::path::Path;

/// PIL's number for the bicubic filter.
const BICUBIC: i64 = 3;

impl ImageProcessor {
    /// Reads the preprocessor_config.json at `path` for pictures of `size` pixels a side; without
    /// the file, OpenVLA's constants and `strategy`.
    pub fn read(path: &Path, size: usize, strategy: ResizeStrategy) -> Result<Self, ModelError> {
        if !json::is_there(path) {
            return Ok(Self::new(size, strategy));
        }
        let value = json::read(path)?;
        Self::of(&Object::root(path, &value)?, size, strategy)
    }

    /// The processor that `file`, such an object, says.
    pub(crate) fn of(
        file: &Object<'_>,
        size: usize,
        strategy: ResizeStrategy,
    ) -> Result<Self, ModelError> {
        file.check(&PROCESSOR)?;
        if file.boolean("use_fused_vision_backbone")? == Some(false) {
            return Err(file.refuse("use_fused_vision_backbone", "this model has two towers"));
        }
        check_sizes(file, size)?;
        let strategy = stored_strategy(file, size)?.unwrap_or(strategy);
        let channels = |value: &Value| numbers(value)?.try_into().ok();
        let (means, stds) = (towers(file, "means", channels)?, towers(file, "stds", channels)?);
        let stored = towers(file, "tvf_normalize_params", |value| {
            let constant = |key| numbers(value.get(key)?)?.try_into().ok();
            Some(Normalization { mean: constant("mean")?, std: constant("std")? })
        })?;
        let normalizations = match stored {
            Some(stored) => stored,
            None => [0, 1].map(|i| Normalization {
                mean: means.map_or(DEFAULT[i].mean, |means| means[i]),
                std: stds.map_or(DEFAULT[i].std, |stds| stds[i]),
            }),
        };
        for n in normalizations {
            let sound = |mean: f64, std: f64| mean.is_finite() && std.is_finite() && std > 0.0;
            if !n.mean.iter().zip(&n.std).all(|(&mean, &std)| sound(mean, std)) {
                let key = if stored.is_some() { "tvf_normalize_params" } else { "stds" };
                return Err(file.refuse(key, "means must be numbers, deviations positive ones"));
            }
        }
        let fill = file.list("tvf_letterbox_fill", "must be three of 0 to 255", |value| {
            integer(value).and_then(|value| u8::try_from(value).ok())
        })?;
        let pads = file.boolean("tvf_do_letterbox")? == Some(true);
        let letterbox_fill = match fill {
            // torchvision pads with zeros where no colour is named.
            None if pads && file.map().contains_key("tvf_letterbox_fill") => [0; 3],
            None => letterbox_fill(means.unwrap_or(DEFAULT.map(|n| n.mean))),
            Some(fill) => fill
                .try_into()
                .map_err(|_| file.refuse("tvf_letterbox_fill", "must be three of 0 to 255"))?,
        };
        Ok(Self { size, strategy, letterbox_fill, normalizations })
    }

    /// What a preprocessor_config.json with these constants says, for OpenVLA's processor and for
    /// [`ImageProcessor::read`].
    pub(crate) fn file(&self) -> Value {
        let size = self.size;
        let resized = match self.strategy {
            ResizeStrategy::ResizeNaive => json!([size, size]),
            ResizeStrategy::Letterbox | ResizeStrategy::ResizeCrop => json!(size),
        };
        let resize = json!({
            "size": resized, "interpolation": BICUBIC, "max_size": null, "antialias": true,
        });
        let crop = json!({ "output_size": [size, size] });
        let normalize =
            self.normalizations.map(|n| json!({ "mean": n.mean, "std": n.std, "inplace": false }));
        json!({
            "image_processor_type": "PrismaticImageProcessor",
            "use_fused_vision_backbone": true,
            "image_resize_strategy": self.strategy,
            "input_sizes": [[3, size, size], [3, size, size]],
            "interpolations": ["bicubic", "bicubic"],
            "means": self.normalizations.map(|n| n.mean),
            "stds": self.normalizations.map(|n| n.std),
            "tvf_do_letterbox": self.strategy == ResizeStrategy::Letterbox,
            "tvf_letterbox_fill": self.letterbox_fill,
            "tvf_resize_params": [resize, resize],
            "tvf_crop_params": [crop, crop],
            "tvf_normalize_params": normalize,
        })
    }
}

/// The strategy of the file; none if it says neither a strategy nor steps. Stored steps and strategy
/// must agree, and what is not stored the reference derives from the strategy, whose default is the
/// letterbox.
fn stored_strategy(file: &Object<'_>, size: usize) -> Result<Option<ResizeStrategy>, ModelError> {
    let letterbox = file.read("tvf_do_letterbox", "must be true or false", boolean)?;
    let resized = towers(file, "tvf_resize_params", |value| {
        let filter = value.get("interpolation").is_none_or(is_bicubic);
        let antialias = value.get("antialias").is_none_or(|it| it.is_null() || it == true);
        let longest = value.get("max_size").is_none_or(Value::is_null);
        if !(filter && antialias && longest) {
            return None;
        }
        let sides = sides(value.get("size")?)?;
        sides.iter().all(|&side| side == size).then_some(sides.len())
    })?;
    towers(file, "tvf_crop_params", |value| {
        let sides = sides(value.get("output_size")?)?;
        sides.iter().all(|&side| side == size).then_some(())
    })?;
    let named = ResizeStrategy::of(file)?;
    if named.is_none() && letterbox != Some(true) && resized.is_none() {
        return Ok(None);
    }
    let derived = named.unwrap_or(ResizeStrategy::Letterbox);
    let letterbox = letterbox.unwrap_or(derived == ResizeStrategy::Letterbox);
    let sides = match resized {
        Some([a, b]) if a != b => {
            return Err(file.refuse("tvf_resize_params", "differs by tower"));
        }
        Some([sides, _]) => sides,
        None => {
            if derived == ResizeStrategy::ResizeNaive {
                2
            } else {
                1
            }
        }
    };
    let stored = match (letterbox, sides) {
        (true, 2) => {
            let wanted = "a letterbox is brought to size by its shorter side; the file contradicts \
                          itself (tvf_do_letterbox, image_resize_strategy)";
            return Err(file.refuse("tvf_resize_params", wanted));
        }
        (true, _) => ResizeStrategy::Letterbox,
        (false, 2) => ResizeStrategy::ResizeNaive,
        (false, _) => ResizeStrategy::ResizeCrop,
    };
    match named {
        Some(named) if named != stored => {
            let wanted = format!(
                "its stored steps (tvf_do_letterbox, tvf_resize_params) are those of {stored}; make \
                 them agree, or remove the steps"
            );
            Err(file.refuse("image_resize_strategy", wanted))
        }
        _ => Ok(Some(stored)),
    }
}

/// Refuses input sizes and filters that are not those of the model.
fn check_sizes(file: &Object<'_>, size: usize) -> Result<(), ModelError> {
    let wanted = format!("two towers of 3 channels and {size} x {size} pixels, as in config.json");
    let sizes = file.list("input_sizes", &wanted, |value| {
        let sizes: Vec<i64> = value.as_array()?.iter().map(integer).collect::<Option<_>>()?;
        (sizes == [3, size as i64, size as i64]).then_some(())
    })?;
    if sizes.is_some_and(|sizes| sizes.len() != 2) {
        return Err(file.refuse("input_sizes", wanted));
    }
    file.list("interpolations", "only bicubic is computed here", |value| {
        is_bicubic(value).then_some(())
    })?;
    Ok(())
}

/// One value for each tower.
fn towers<T>(
    file: &Object<'_>,
    key: &str,
    item: impl Fn(&Value) -> Option<T>,
) -> Result<Option<[T; 2]>, ModelError> {
    let wanted = match key {
        "tvf_resize_params" => {
            "must bring pictures to config.json's image_sizes, once for each of two towers: \
             bicubic, with antialias"
        }
        "tvf_crop_params" => "must crop to config.json's image_sizes, for each of two towers",
        _ => "must be three numbers for each of two towers",
    };
    let items = file.list(key, wanted, item)?;
    items.map(|items| items.try_into().map_err(|_| file.refuse(key, wanted))).transpose()
}

fn is_bicubic(value: &Value) -> bool {
    value.as_str() == Some("bicubic") || integer(value) == Some(BICUBIC)
}

/// `224`, `[224]` or `[224, 224]`; torchvision reads the first two alike.
fn sides(value: &Value) -> Option<Vec<usize>> {
    let side = |value: &Value| integer(value).and_then(|side| usize::try_from(side).ok());
    match value.as_array() {
        Some(items) if (1..=2).contains(&items.len()) => items.iter().map(side).collect(),
        Some(_) => None,
        None => side(value).map(|side| vec![side]),
    }
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    value.as_array()?.iter().map(number).collect()
}
