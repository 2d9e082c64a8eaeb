//! Which keys of which file change what a policy answers: the one list per kind of file that
//! docs/files.md shows.
//!
//! Owns the decision to read, to ignore or to refuse. A key in no list is refused by name: to
//! ignore it would be a guess. Must never read a value: what is done with one stands where it is
//! used.

mod beside;
mod model;

pub(crate) use beside::{
    ACTION_STATISTICS, ADAPTER, JOINT_PROCESSOR, PROCESSOR, STATISTICS, TOKENIZER, TOKENIZER_CONFIG,
};
pub(crate) use model::{ACTION_STREAM, CONFIG, GENERATION, ROPE, TEXT_CONFIG, VISION};

/// What becomes of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// It is read, and checked where it is read.
    Used,
    /// It changes nothing that a policy answers.
    NoEffect,
    /// It would change the answer if it had another value than these; and why.
    Only(&'static [&'static str], &'static str),
    /// It would change the answer unless it is false or empty; and what to do about it.
    Refused(&'static str),
}

/// The keys of one kind of object in one kind of file.
#[derive(Debug)]
pub(crate) struct KeyList {
    /// Where such objects are.
    pub place: &'static str,
    rules: &'static [(Rule, &'static [&'static str])],
    /// Lists whose keys may stand here too.
    others: &'static [&'static KeyList],
}

impl KeyList {
    /// The rule for `key`; none for one that is not known.
    pub fn rule(&self, key: &str) -> Option<&'static Rule> {
        let own = self.rules.iter().find(|(_, keys)| keys.contains(&key)).map(|(rule, _)| rule);
        own.or_else(|| self.others.iter().find_map(|list| list.rule(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::model::PRETRAINED;
    use super::*;
    use std::collections::BTreeSet;

    /// Every list.
    const ALL: [&KeyList; 13] = [
        &CONFIG,
        &TEXT_CONFIG,
        &ROPE,
        &VISION,
        &ACTION_STREAM,
        &GENERATION,
        &PROCESSOR,
        &JOINT_PROCESSOR,
        &TOKENIZER,
        &TOKENIZER_CONFIG,
        &ADAPTER,
        &STATISTICS,
        &ACTION_STATISTICS,
    ];

    const DOCUMENT: &str = include_str!("../../../../docs/files.md");

    #[test]
    fn no_key_has_two_rules() {
        for list in ALL {
            let mut seen = BTreeSet::new();
            for key in list.rules.iter().flat_map(|(_, keys)| *keys) {
                assert!(seen.insert(key), "{key} of {} has two rules", list.place);
            }
        }
    }

    #[test]
    fn the_document_names_every_key() {
        for list in ALL.into_iter().chain([&PRETRAINED]) {
            let (_, section) = DOCUMENT
                .split_once(&format!("### {}\n", list.place))
                .unwrap_or_else(|| panic!("docs/files.md has no section on {}", list.place));
            let section = section.split("\n#").next().unwrap_or_default();
            for key in list.rules.iter().flat_map(|(_, keys)| *keys) {
                assert!(section.contains(&format!("`{key}`")), "{key} of {}", list.place);
            }
        }
    }
}
