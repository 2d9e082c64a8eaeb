//! Where a key stands in a file, for whoever finds out only later that its value is of no use: a
//! folder that is not there is told in the same form as a number out of range.

use crate::encoding;
use crate::problem::{Fault, Problem};
use crate::section::Document;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

impl Problem {
    /// What is wrong with the value of `key` (such as `arm.sdk` or `camera[1].device`) in the file
    /// `bytes`. Without a line if the key has its default.
    pub fn at(bytes: &[u8], key: &str, reason: String) -> Self {
        let text = encoding::text(bytes).unwrap_or_default();
        let document = Document::new(text, &|_| None);
        let span = DeTable::parse(text).ok().and_then(|table| span_of(table.get_ref(), key));
        Self {
            line: span.as_ref().map(|span| document.line_at(span)),
            key: key.to_owned(),
            found: span.map(|span| document.quote(&span)),
            fault: Fault::Conflict(reason),
        }
    }
}

fn span_of(table: &DeTable<'_>, key: &str) -> Option<Range<usize>> {
    let (first, rest) = match key.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (key, None),
    };
    let (name, index) = match first.trim_end_matches(']').split_once('[') {
        Some((name, index)) => (name, Some(index.parse::<usize>().ok()?)),
        None => (first, None),
    };
    let (_, value) = table.iter().find(|(found, _)| found.get_ref() == name)?;
    let value = match index {
        Some(index) => value.get_ref().as_array()?.get(index)?,
        None => value,
    };
    match (rest, value.get_ref()) {
        (None, _) => Some(value.span()),
        (Some(rest), DeValue::Table(table)) => span_of(table, rest),
        (Some(_), _) => None,
    }
}
