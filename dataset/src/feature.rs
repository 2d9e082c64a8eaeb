//! What a row holds: features, their kinds and order, and the values of one row.
//!
//! Keys follow LeRobot's conventions (`observation.state`, `observation.images.<camera>`,
//! `action`). The five columns that every LeRobotDataset has are added by this package and are
//! never named by a caller.

use crate::error::DatasetError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The columns that every LeRobotDataset has, in the format's order. `timestamp` is
/// `frame_index / fps` by the format's rule; a true capture time needs a feature of its own.
pub const DEFAULT_KEYS: [&str; 5] =
    ["timestamp", "frame_index", "episode_index", "index", "task_index"];

/// The type of one feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeatureKind {
    /// A picture of `height` by `width` pixels, RGB, stored as PNG or JPEG.
    Image {
        /// Height \[pixels\].
        height: u32,
        /// Width \[pixels\].
        width: u32,
    },
    /// A vector of 32-bit floats, one name each.
    Float32 {
        /// A name for each number.
        names: Vec<String>,
    },
    /// A vector of 64-bit floats, one name each.
    Float64 {
        /// A name for each number.
        names: Vec<String>,
    },
    /// One truth value.
    Bool,
    /// One integer.
    Int64,
}

impl FeatureKind {
    /// A [`FeatureKind::Float32`] with these names.
    pub fn float32<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        FeatureKind::Float32 { names: names.into_iter().map(Into::into).collect() }
    }

    /// A [`FeatureKind::Float64`] with these names.
    pub fn float64<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        FeatureKind::Float64 { names: names.into_iter().map(Into::into).collect() }
    }

    /// Numbers per row; 3 (one per colour) for an image.
    pub fn dims(&self) -> usize {
        match self {
            FeatureKind::Image { .. } => 3,
            FeatureKind::Float32 { names } | FeatureKind::Float64 { names } => names.len(),
            FeatureKind::Bool | FeatureKind::Int64 => 1,
        }
    }

    /// The kind in words, with its size.
    pub fn words(&self) -> String {
        match self {
            FeatureKind::Image { height, width } => format!("image of {width}x{height} pixels"),
            FeatureKind::Float32 { names } | FeatureKind::Float64 { names } => {
                format!("{} [{}] ({})", self.dtype(), names.len(), names.join(", "))
            }
            FeatureKind::Bool | FeatureKind::Int64 => self.dtype().to_owned(),
        }
    }

    /// The format's name of the type.
    pub fn dtype(&self) -> &'static str {
        match self {
            FeatureKind::Image { .. } => "image",
            FeatureKind::Float32 { .. } => "float32",
            FeatureKind::Float64 { .. } => "float64",
            FeatureKind::Bool => "bool",
            FeatureKind::Int64 => "int64",
        }
    }
}

/// One feature: a key and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// The column's name; must not contain `/`.
    pub key: String,
    /// The column's type.
    pub kind: FeatureKind,
}

/// The features of a dataset in column order, without the five default columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features(Vec<Feature>);

impl Features {
    /// Checks keys and sizes: keys unique, not empty, without `/` and not one of
    /// [`DEFAULT_KEYS`]; sizes above 0.
    pub fn new<S: Into<String>>(
        features: impl IntoIterator<Item = (S, FeatureKind)>,
    ) -> Result<Self, DatasetError> {
        let mut list: Vec<Feature> = Vec::new();
        for (key, kind) in features {
            let key = key.into();
            let fault = if key.is_empty() || key.contains('/') {
                Some("a key must not be empty or contain '/'")
            } else if DEFAULT_KEYS.contains(&key.as_str()) {
                Some("this key belongs to the format and is added by itself")
            } else if list.iter().any(|feature| feature.key == key) {
                Some("the key appears twice")
            } else if kind.dims() == 0
                || matches!(kind, FeatureKind::Image { height: 0, .. })
                || matches!(kind, FeatureKind::Image { width: 0, .. })
            {
                Some("a feature must have at least one number per row")
            } else {
                None
            };
            if let Some(reason) = fault {
                return Err(DatasetError::Feature { key, reason: reason.into() });
            }
            list.push(Feature { key, kind });
        }
        if list.is_empty() {
            let reason = "a dataset needs at least one feature".into();
            return Err(DatasetError::Feature { key: String::new(), reason });
        }
        Ok(Self(list))
    }

    /// The features in column order.
    pub fn iter(&self) -> std::slice::Iter<'_, Feature> {
        self.0.iter()
    }

    /// The type of the feature `key`.
    pub fn kind(&self, key: &str) -> Option<&FeatureKind> {
        self.0.iter().find(|feature| feature.key == key).map(|feature| &feature.kind)
    }

    /// The first difference between these features and `other`, in words; `None` when equal.
    pub fn difference(&self, other: &Features) -> Option<String> {
        for feature in &self.0 {
            match other.kind(&feature.key) {
                None => return Some(format!("\"{}\" is missing", feature.key)),
                Some(kind) if *kind != feature.kind => {
                    let (key, wanted) = (&feature.key, feature.kind.words());
                    return Some(format!("\"{key}\" is {}, not {wanted}", kind.words()));
                }
                Some(_) => {}
            }
        }
        if let Some(extra) = other.iter().find(|feature| self.kind(&feature.key).is_none()) {
            return Some(format!("\"{}\" is there and should not be", extra.key));
        }
        (self != other).then(|| "the features are in another order".to_owned())
    }

    /// Features of a dataset that is there, which may have none that can be read.
    pub(crate) fn found(list: Vec<Feature>) -> Self {
        Self(list)
    }

    /// The five default columns.
    pub(crate) fn defaults() -> [Feature; 5] {
        DEFAULT_KEYS.map(|key| {
            let kind =
                if key == "timestamp" { FeatureKind::float32([key]) } else { FeatureKind::Int64 };
            Feature { key: key.to_owned(), kind }
        })
    }

    /// These features followed by the five default columns: the columns of a data file.
    pub(crate) fn with_defaults(&self) -> Vec<Feature> {
        self.0.iter().cloned().chain(Self::defaults()).collect()
    }
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `height * width * 3` bytes: rows from the top, red green blue.
    Image(Arc<[u8]>),
    /// The same with the picture as its camera compressed it, if it did: that may be kept as it is
    /// ([`Pictures::Camera`](crate::Pictures)).
    Picture {
        /// As of [`Value::Image`].
        rgb: Arc<[u8]>,
        /// The same picture as JPEG.
        jpeg: Option<Arc<[u8]>>,
    },
    /// As many numbers as the feature has names.
    F32(Vec<f32>),
    /// As many numbers as the feature has names.
    F64(Vec<f64>),
    /// A truth value.
    Bool(bool),
    /// An integer.
    I64(i64),
}

impl Value {
    /// RGB bytes of a picture, and its JPEG if it has one.
    pub(crate) fn picture(&self) -> Option<(&[u8], Option<&[u8]>)> {
        match self {
            Value::Image(rgb) => Some((rgb, None)),
            Value::Picture { rgb, jpeg } => Some((rgb, jpeg.as_deref())),
            _ => None,
        }
    }
}

/// The values of one step, by feature key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(pub BTreeMap<String, Value>);

impl Row {
    /// A row without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of `key`.
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        self.0.insert(key.into(), value);
    }

    /// This row with the value of `key` set.
    pub fn with(mut self, key: impl Into<String>, value: Value) -> Self {
        self.set(key, value);
        self
    }
}
