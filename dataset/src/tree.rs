//! JSON whose objects keep the order in which they were written, for the parts of a file where that
//! order means something.
//!
//! Of `serde_json` this could be had by a feature that every crate of a build would then share; it
//! must not be switched on for the sake of one file.

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;
use std::fmt;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    /// Neither a list nor an object.
    Leaf(Json),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// The value of a key of an object; null where there is none.
    pub fn get(&self, key: &str) -> &Tree {
        const NULL: &Tree = &Tree::Leaf(Json::Null);
        let Tree::Object(entries) = self else { return NULL };
        entries.iter().find(|(name, _)| name == key).map_or(NULL, |(_, value)| value)
    }

    /// The keys of an object, in order.
    pub fn keys(&self) -> Vec<&str> {
        let Tree::Object(entries) = self else { return Vec::new() };
        entries.iter().map(|(key, _)| key.as_str()).collect()
    }
}

/// An object comes in the alphabetical order that it has here already.
impl From<Json> for Tree {
    fn from(json: Json) -> Self {
        match json {
            Json::Array(items) => Tree::List(items.into_iter().map(Tree::from).collect()),
            Json::Object(entries) => {
                Tree::Object(entries.into_iter().map(|(key, v)| (key, v.into())).collect())
            }
            leaf => Tree::Leaf(leaf),
        }
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Tree::Leaf(leaf) => leaf.serialize(serializer),
            Tree::List(items) => serializer.collect_seq(items),
            Tree::Object(entries) => serializer.collect_map(entries.iter().map(|(k, v)| (k, v))),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(Json::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries: Vec<(String, Tree)> = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Tree>()? {
            // As in Python, a key that comes twice counts once, with its last value.
            match entries.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => *known = value,
                None => entries.push((key, value)),
            }
        }
        Ok(Tree::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_read_is_written_in_the_same_order() {
        let text = r#"{"b":[1,-2,0.1,null],"a":{"d":"x","c":true},"aa":[]}"#;
        let tree: Tree = serde_json::from_str(text).unwrap();
        assert_eq!(tree.keys(), ["b", "a", "aa"]);
        assert_eq!(tree.get("a").keys(), ["d", "c"]);
        assert_eq!(serde_json::to_string(&tree).unwrap(), text);
        let twice: Tree = serde_json::from_str(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(serde_json::to_string(&twice).unwrap(), r#"{"a":3,"b":2}"#);
    }
}
