//! One feature as `info.json` describes it: its type and size, and as what it can be read.
//!
//! Nothing here refuses a dataset: a feature that cannot be read is listed with the reason, which
//! whoever asks for it is told.

use crate::feature::FeatureKind;
use crate::json;
use crate::tree::Tree;
use serde_json::Value as Json;

/// A vector of more numbers is not read.
const MOST_NUMBERS: usize = 1 << 20;
/// A picture of more pixels a side is not read.
const LONGEST_SIDE: usize = 32_768;

/// A feature of a dataset, whoever wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureInfo {
    /// The column's name.
    pub key: String,
    /// The type as the dataset names it: `float32`, `image`, `video`, `string`, `language`, ...
    pub dtype: String,
    /// Size of one row's value as the dataset gives it.
    pub shape: Vec<usize>,
    /// A name for each number, where the dataset gives as many as there are numbers.
    pub names: Option<Vec<String>>,
    /// The words under which the dataset groups its names, such as `motors`, in the file's order;
    /// empty where it does not.
    pub groups: Vec<String>,
    /// What reading it gives.
    pub content: Content,
}

/// What reading a feature gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A column of this kind. Pictures are RGB, however they are stored; whole numbers are
    /// `Int64` where there is one a row, else `Float64`; half floats are `Float32`.
    Readable(FeatureKind),
    /// Nothing: it is listed, and not readable for this reason.
    Unreadable(String),
}

impl FeatureInfo {
    /// The kind that reading gives; `None` where it is not readable.
    pub fn kind(&self) -> Option<&FeatureKind> {
        match &self.content {
            Content::Readable(kind) => Some(kind),
            Content::Unreadable(_) => None,
        }
    }

    /// Whether its pictures are frames of video files.
    pub fn is_video(&self) -> bool {
        self.dtype == "video"
    }

    /// Type and shape in words, such as `float32 [7]`.
    pub fn words(&self) -> String {
        let shape: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        format!("{} [{}]", self.dtype, shape.join(", "))
    }

    /// The feature `key` of `info.json`, with its `names` in the order in which they are written.
    pub(crate) fn parse(key: &str, entry: &Json, in_order: &Tree) -> Self {
        let (given, groups) = names(in_order);
        let dtype = entry["dtype"].as_str();
        let (shape, content) = match (dtype, shape(&entry["shape"])) {
            (None, shape) => (shape.unwrap_or_default(), Err(no_dtype(entry))),
            (Some(_), Err(reason)) => (Vec::new(), Err(reason)),
            (Some(dtype), Ok(shape)) => {
                let content = content(dtype, &shape, entry, &given);
                (shape, content)
            }
        };
        let numbers = shape.iter().try_fold(1, |all: usize, &one| all.checked_mul(one));
        let names = given.filter(|names| Some(names.len()) == numbers);
        Self {
            key: key.to_owned(),
            dtype: dtype.unwrap_or("without a type").to_owned(),
            shape,
            names,
            groups,
            content: content.map_or_else(Content::Unreadable, Content::Readable),
        }
    }

    /// As what this package writes the feature; otherwise why it does not.
    pub(crate) fn writable(&self) -> Result<FeatureKind, String> {
        let kind = match &self.content {
            Content::Readable(kind) => kind,
            Content::Unreadable(reason) => return Err(reason.clone()),
        };
        let fits = match *kind {
            FeatureKind::Image { height, width } => {
                // What is added has three colours: so must have what is there.
                let pixels = height as usize * width as usize;
                self.shape.iter().product::<usize>() == pixels * 3
            }
            _ => self.shape.len() == 1,
        };
        if self.dtype == kind.dtype() && fits {
            return Ok(kind.clone());
        }
        Err(format!("{} is not among what this program writes", self.words()))
    }
}

fn no_dtype(entry: &Json) -> String {
    match entry {
        Json::Object(_) => {
            format!("info.json gives no dtype (it is {})", json::kind(&entry["dtype"]))
        }
        other => format!("info.json has {} in its place, not an object", json::kind(other)),
    }
}

fn shape(json: &Json) -> Result<Vec<usize>, String> {
    match json {
        Json::Array(sides) => {
            let sides: Option<Vec<usize>> = sides.iter().map(json::count).collect();
            sides.ok_or_else(|| "its shape is not a list of whole numbers".to_owned())
        }
        Json::Number(_) => json::count(json)
            .map(|side| vec![side])
            .ok_or_else(|| "its shape is not a whole number".to_owned()),
        Json::Null => Err("info.json gives no shape".to_owned()),
        other => Err(format!("its shape is {}", json::kind(other))),
    }
}

fn content(
    dtype: &str,
    shape: &[usize],
    entry: &Json,
    names: &Option<Vec<String>>,
) -> Result<FeatureKind, String> {
    match dtype {
        "image" | "video" if is_depth(entry) => {
            Err("a depth map holds distances, not colours".to_owned())
        }
        "image" | "video" => picture(shape, &entry["names"]),
        "string" | "language" => Err(format!("a column of {dtype} holds text")),
        "float16" | "bfloat16" | "float32" | "float64" | "bool" | "int8" | "int16" | "int32"
        | "int64" | "uint8" | "uint16" | "uint32" | "uint64" => numbers(dtype, shape, names),
        _ => Err(format!("the type \"{}\" is not known", json::shortened(dtype))),
    }
}

/// The marks that lerobot's `is_depth_map` goes by.
fn is_depth(entry: &Json) -> bool {
    let marked = |json: &Json| json.as_bool() == Some(true);
    marked(&entry["info"]["is_depth_map"])
        || marked(&entry["info"]["video.is_depth_map"])
        || marked(&entry["video_info"]["video.is_depth_map"])
}

/// Height and width: by the axes' names where there are such, else the axis of 1, 3 or 4 is the
/// colours', the last one first.
fn picture(shape: &[usize], names: &Json) -> Result<FeatureKind, String> {
    let &[a, b, c] = shape else {
        return Err(format!("a picture has three axes, not {}", shape.len()));
    };
    let colours = |side: usize| matches!(side, 1 | 3 | 4);
    let axes = names.as_array().map(Vec::as_slice).unwrap_or_default();
    let named_first = axes.first().and_then(Json::as_str).is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        name.starts_with("channel") || matches!(name.as_str(), "c" | "rgb" | "color" | "colour")
    });
    let (height, width) = if colours(a) && (named_first || !colours(c)) {
        (b, c)
    } else if colours(c) {
        (a, b)
    } else {
        return Err(format!("none of its axes ({a}, {b}, {c}) is one of 1, 3 or 4 colours"));
    };
    if height == 0 || width == 0 || height > LONGEST_SIDE || width > LONGEST_SIDE {
        return Err(format!("a picture of {width}x{height} pixels is not possible"));
    }
    Ok(FeatureKind::Image { height: height as u32, width: width as u32 })
}

fn numbers(
    dtype: &str,
    shape: &[usize],
    names: &Option<Vec<String>>,
) -> Result<FeatureKind, String> {
    let count = shape.iter().try_fold(1, |all: usize, &one| all.checked_mul(one));
    let count = match count {
        Some(0) => return Err("it has no number a row".to_owned()),
        Some(count) if count <= MOST_NUMBERS => count,
        _ => return Err(format!("it has more than {MOST_NUMBERS} numbers a row")),
    };
    let names = || {
        let given = names.clone().filter(|names| names.len() == count);
        given.unwrap_or_else(|| (0..count).map(|i| i.to_string()).collect())
    };
    Ok(match dtype {
        "bool" if count == 1 => FeatureKind::Bool,
        "float16" | "bfloat16" | "float32" => FeatureKind::Float32 { names: names() },
        "float64" => FeatureKind::Float64 { names: names() },
        _ if count == 1 && dtype != "bool" => FeatureKind::Int64,
        _ => FeatureKind::Float64 { names: names() },
    })
}

/// Names as people give them, with the words that group them: a list, lists in a list, lists under
/// words such as `motors`, or names with their positions.
fn names(given: &Tree) -> (Option<Vec<String>>, Vec<String>) {
    if let Some(placed) = placed(given) {
        let in_order = placed.iter().enumerate().all(|(i, (at, _))| *at == i);
        let names = in_order.then(|| placed.into_iter().map(|(_, name)| name.clone()).collect());
        return (names, Vec::new());
    }
    let (mut names, mut groups) = (Vec::new(), Vec::new());
    leaves(given, &mut names, &mut groups);
    ((!names.is_empty()).then_some(names), groups)
}

/// Names with their positions, by position; `None` if they are given otherwise.
fn placed(given: &Tree) -> Option<Vec<(usize, &String)>> {
    let Tree::Object(entries) = given else { return None };
    let at = |at: &Tree| match at {
        Tree::Leaf(at) => json::count(at),
        _ => None,
    };
    let placed = entries.iter().map(|(name, value)| Some((at(value)?, name)));
    let mut placed = placed.collect::<Option<Vec<_>>>().filter(|placed| !placed.is_empty())?;
    placed.sort();
    Some(placed)
}

fn leaves(given: &Tree, names: &mut Vec<String>, groups: &mut Vec<String>) {
    match given {
        Tree::Leaf(Json::Null) => {}
        Tree::List(items) => items.iter().for_each(|item| leaves(item, names, groups)),
        Tree::Object(entries) => entries.iter().for_each(|(word, item)| {
            groups.push(word.clone());
            leaves(item, names, groups);
        }),
        Tree::Leaf(Json::String(name)) => names.push(name.clone()),
        Tree::Leaf(other) => names.push(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn parse(entry: Json) -> FeatureInfo {
        FeatureInfo::parse("f", &entry, &entry["names"].clone().into())
    }

    fn read(dtype: &str, shape: Json, names: Json) -> FeatureInfo {
        parse(json!({"dtype": dtype, "shape": shape, "names": names}))
    }

    fn unreadable(entry: Json) -> String {
        match parse(entry).content {
            Content::Unreadable(reason) => reason,
            Content::Readable(kind) => panic!("{kind:?}"),
        }
    }

    #[test]
    fn the_axes_of_a_picture_are_found_by_name_or_by_size() {
        let image = |height, width| Some(FeatureKind::Image { height, width });
        let hwc = json!(["height", "width", "channels"]);
        let chw = json!(["channels", "height", "width"]);
        assert_eq!(
            read("image", json!([480, 640, 3]), hwc.clone()).kind().cloned(),
            image(480, 640)
        );
        assert_eq!(
            read("video", json!([3, 480, 640]), chw.clone()).kind().cloned(),
            image(480, 640)
        );
        assert_eq!(read("image", json!([1, 20, 30]), Json::Null).kind().cloned(), image(20, 30));
        assert_eq!(read("image", json!([20, 30, 4]), Json::Null).kind().cloned(), image(20, 30));
        // Ambiguous by size, told by name; and names that cannot be true of the sizes.
        assert_eq!(read("image", json!([3, 8, 3]), chw.clone()).kind().cloned(), image(8, 3));
        assert_eq!(read("image", json!([3, 8, 3]), hwc).kind().cloned(), image(3, 8));
        assert_eq!(read("image", json!([480, 640, 3]), chw).kind().cloned(), image(480, 640));
    }

    /// lerobot #3786, Isaac-GR00T #291: `names` absent, or in other forms than a list.
    #[test]
    fn names_come_in_many_forms_and_may_be_absent() {
        let given = |names: Json| read("float32", json!([2]), names).names;
        let xy = Some(vec!["x".to_owned(), "y".to_owned()]);
        assert_eq!(given(json!(["x", "y"])), xy);
        assert_eq!(given(json!({"motors": ["x", "y"]})), xy);
        assert_eq!(given(json!([["x", "y"]])), xy);
        assert_eq!(given(json!({"y": 1, "x": 0})), xy);
        assert_eq!(given(json!(["x"])), None);
        assert_eq!(given(Json::Null), None);
        let absent = parse(json!({"dtype": "float32", "shape": [2]}));
        assert_eq!(absent.kind(), Some(&FeatureKind::float32(["0", "1"])));
    }

    #[test]
    fn pictures_of_other_than_three_colours_are_not_added_to() {
        for (shape, writable) in [
            (json!([20, 30, 3]), true),
            (json!([3, 20, 30]), true),
            (json!([20, 30, 1]), false),
            (json!([20, 30, 4]), false),
        ] {
            let feature = read("image", shape, Json::Null);
            assert_eq!(feature.writable().is_ok(), writable, "{}", feature.words());
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert!(unreadable(json!({"shape": [1]})).contains("no dtype"));
        assert!(unreadable(json!("float32")).contains("the text \"float32\""));
        assert!(unreadable(json!({"dtype": "string", "shape": [1]})).contains("text"));
        assert!(unreadable(json!({"dtype": "complex64", "shape": [1]})).contains("complex64"));
        assert!(unreadable(json!({"dtype": "float32"})).contains("no shape"));
        let huge = 1_u64 << 62;
        assert!(
            unreadable(json!({"dtype": "float32", "shape": [huge, huge]})).contains("more than")
        );
        assert!(unreadable(json!({"dtype": "image", "shape": [8, 8]})).contains("three axes"));
        for info in [json!({"is_depth_map": true}), json!({"video.is_depth_map": true})] {
            let entry = json!({"dtype": "video", "shape": [4, 4, 1], "info": info});
            assert!(unreadable(entry).contains("depth"));
        }
    }
}
