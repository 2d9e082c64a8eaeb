//! The file as written: tables whose keys are all optional and know the line they stand on.
//!
//! A [`Section`] hands out typed values by key and writes down what is wrong with them; each key
//! asked for becomes a known key, and [`Section::finish`] refuses all others. It must never know
//! what a key means: that is `resolve`'s.

use crate::encoding;
use crate::problem::{ConfigError, Fault, Problem};
use jaco_core::Word;
use jaco_core::given::{Variables, given_path};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// Keys less alike than this (Jaro similarity) are not offered as "did you mean".
const NEAR_MISS: f64 = 0.8;
/// Values are quoted in messages up to this many characters.
const QUOTED_CHARS: usize = 60;

/// The text being read, and all that was found wrong with it so far.
pub(crate) struct Document<'a> {
    text: &'a str,
    variables: Variables<'a>,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(text: &'a str, variables: Variables<'a>) -> Self {
        Self { text, variables, problems: RefCell::default() }
    }

    pub(crate) fn line_at(&self, span: &Range<usize>) -> usize {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }

    pub(crate) fn quote(&self, span: &Range<usize>) -> String {
        let written = self.text.get(span.clone()).unwrap_or_default();
        let one_line = written.split_whitespace().collect::<Vec<_>>().join(" ");
        match one_line.char_indices().nth(QUOTED_CHARS) {
            Some((end, _)) => format!("{}...", &one_line[..end]),
            None => one_line,
        }
    }

    fn refuse(&self, line: Option<usize>, key: String, found: Option<String>, fault: Fault) {
        self.problems.borrow_mut().push(Problem { line, key, found, fault });
    }

    /// Refuses the file as a whole where the TOML parser stopped.
    pub(crate) fn refuse_syntax(&self, error: &toml::de::Error) {
        let line = error.span().map(|span| self.line_at(&span));
        let hint = encoding::other_language(self.text).map_or(String::new(), |language| {
            format!("; it looks like {language}, and must be TOML, as the shipped jacod.toml")
        });
        let fault = Fault::Syntax(format!("{}{hint}", error.message()));
        self.refuse(line, String::new(), None, fault);
    }

    /// All problems as one error, if there are any.
    pub(crate) fn verdict(self, file: &str) -> Result<(), ConfigError> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError { file: file.to_owned(), problems })
        }
    }
}

/// One table of the file, present or not.
pub(crate) struct Section<'a> {
    document: &'a Document<'a>,
    path: String,
    line: Option<usize>,
    table: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(crate) fn root(document: &'a Document<'a>, table: &'a DeTable<'a>) -> Self {
        Self { document, path: String::new(), line: None, table: Some(table), known: Vec::new() }
    }

    /// The table `key`; one without entries if it is absent.
    pub(crate) fn section(&mut self, key: &'static str) -> Section<'a> {
        self.optional_section(key).unwrap_or_else(|| self.child(key, None, None))
    }

    /// The table `key`, if it is there.
    pub(crate) fn optional_section(&mut self, key: &'static str) -> Option<Section<'a>> {
        let (table, span) = self.take(key, |value, span| match value {
            DeValue::Table(table) => Ok((table, span)),
            _ => Err(Fault::WrongType("a section")),
        })?;
        Some(self.child(key, Some(self.document.line_at(&span)), Some(table)))
    }

    /// The tables `[[key]]`, in the order of the file; `wanted` says what they must be.
    pub(crate) fn sections(&mut self, key: &'static str, wanted: &'static str) -> Vec<Section<'a>> {
        let wrong = || Fault::WrongType(wanted);
        let tables = self.take(key, |value, _| {
            let array = value.as_array().filter(|items| !items.is_empty()).ok_or_else(wrong)?;
            let tables = array.iter().map(|item| match item.get_ref() {
                DeValue::Table(table) => Ok((table, item.span())),
                _ => Err(wrong()),
            });
            tables.collect::<Result<Vec<_>, _>>()
        });
        let tables = tables.unwrap_or_default().into_iter().enumerate();
        let sections = tables.map(|(index, (table, span))| {
            let line = Some(self.document.line_at(&span));
            self.child(&format!("{key}[{index}]"), line, Some(table))
        });
        sections.collect()
    }

    fn child(&self, key: &str, line: Option<usize>, table: Option<&'a DeTable<'a>>) -> Section<'a> {
        Section { document: self.document, path: self.key(key), line, table, known: Vec::new() }
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The number `key` (whole numbers are fine too), if it is there and in `range`.
    pub(crate) fn number(&mut self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        self.take(key, |value, _| number(value, &range))
    }

    /// The three numbers `key`, if they are there and in `range`.
    pub(crate) fn vector(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
    ) -> Option<[f64; 3]> {
        self.take(key, |value, _| {
            let three = || Fault::WrongType("three numbers, such as [0.1, -0.2, 0.3]");
            let items = value.as_array().filter(|items| items.len() == 3).ok_or_else(three)?;
            let mut numbers = [0.0; 3];
            for (slot, item) in numbers.iter_mut().zip(items.iter()) {
                *slot = number(item.get_ref(), &range).map_err(|fault| match fault {
                    Fault::WrongType(_) => three(),
                    fault => fault,
                })?;
            }
            Ok(numbers)
        })
    }

    /// The whole number `key`, if it is there and in `range`.
    pub(crate) fn integer<T>(&mut self, key: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        self.take(key, |value, _| {
            integer(value, &range).unwrap_or(Err(Fault::WrongType("a whole number")))
        })
    }

    /// The whole number `key` in `range`, or what `read` makes of its text, if it is there. `wanted`
    /// says what it must be.
    pub(crate) fn integer_or<T, U>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<T>,
        wanted: &'static str,
        read: impl FnOnce(&str, Variables<'_>) -> Result<U, Fault>,
    ) -> Option<NumberOr<T, U>>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let variables = self.document.variables;
        self.take(key, |value, _| match (integer(value, &range), value.as_str()) {
            (Some(number), _) => number.map(NumberOr::Number),
            (None, Some(text)) => read(text, variables).map(NumberOr::Text),
            (None, None) => Err(Fault::WrongType(wanted)),
        })
    }

    /// The path `key`, if it is there, names something and `check` has nothing against it.
    pub(crate) fn path(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Option<PathBuf> {
        let variables = self.document.variables;
        self.take(key, |value, _| {
            let text = value.as_str().ok_or(Fault::WrongType("text in quotes"))?;
            let path = given_path(text, variables);
            let path = path.map_err(|error| Fault::Conflict(error.to_string()))?;
            check(&path).map_err(Fault::Conflict)?;
            Ok(path)
        })
    }

    /// The truth value `key`, if it is there.
    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.take(key, |value, _| value.as_bool().ok_or(Fault::WrongType("true or false")))
    }

    /// The text `key`, if it is there, not empty, and `check` has nothing against it.
    pub(crate) fn text(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<(), String>,
    ) -> Option<String> {
        self.take(key, |value, _| {
            let text = value.as_str().ok_or(Fault::WrongType("text in quotes"))?;
            if text.is_empty() {
                return Err(Fault::Conflict("must not be empty".to_owned()));
            }
            check(text).map_err(Fault::Conflict)?;
            Ok(text.to_owned())
        })
    }

    /// The texts of the list `key`, if it is there.
    pub(crate) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.take(key, |value, _| {
            let wrong = || Fault::WrongType("a list of texts, such as [\"front\", \"wrist\"]");
            let items = value.as_array().ok_or_else(wrong)?;
            items
                .iter()
                .map(|item| Ok(item.get_ref().as_str().ok_or_else(wrong)?.to_owned()))
                .collect()
        })
    }

    /// The word `key`, if it is there and known.
    pub(crate) fn word<W: Word>(&mut self, key: &'static str) -> Option<W> {
        self.take(key, |value, _| {
            let allowed = || Fault::NotOneOf(W::ALL.iter().map(|word| word.name()).collect());
            let text = value.as_str().ok_or_else(allowed)?;
            W::ALL.iter().copied().find(|word| word.name() == text).ok_or_else(allowed)
        })
    }

    /// `value`, or a refusal that asks for `wanted` if `key` is not in the file at all.
    pub(crate) fn require<T>(
        &self,
        key: &'static str,
        value: Option<T>,
        wanted: &'static str,
    ) -> Option<T> {
        if value.is_none() && self.entry(key).is_none() {
            self.document.refuse(self.line, self.key(key), None, Fault::Missing(wanted));
        }
        value
    }

    /// Refuses `key`, at its place if it is in the file, for a reason that only its meaning gives.
    pub(crate) fn refuse(&self, key: &'static str, reason: String) {
        let span = self.entry(key).map(|(_, span)| span);
        let line = span.as_ref().map(|span| self.document.line_at(span)).or(self.line);
        let found = span.map(|span| self.document.quote(&span));
        self.document.refuse(line, self.key(key), found, Fault::Conflict(reason));
    }

    /// The line `key` stands on.
    pub(crate) fn line_of(&self, key: &str) -> Option<usize> {
        self.entry(key).map(|(_, span)| self.document.line_at(&span))
    }

    /// Refuses every key that nobody asked for.
    pub(crate) fn finish(self) {
        let unknown = self.table.into_iter().flat_map(|table| table.keys());
        for key in unknown.filter(|key| !self.known.contains(&&**key.get_ref())) {
            let likeness = |known: &&'static str| (strsim::jaro(known, key.get_ref()), *known);
            let near = self.known.iter().map(likeness).max_by(|a, b| a.0.total_cmp(&b.0));
            let near = near.filter(|(likeness, _)| *likeness >= NEAR_MISS).map(|(_, known)| known);
            let line = Some(self.document.line_at(&key.span()));
            let fault = Fault::UnknownKey { near, known: self.known.clone() };
            self.document.refuse(line, self.key(&as_written(key.get_ref())), None, fault);
        }
    }

    fn entry(&self, key: &str) -> Option<(&'a DeValue<'a>, Range<usize>)> {
        let (_, value) = self.table?.iter().find(|(name, _)| name.get_ref() == key)?;
        Some((value.get_ref(), value.span()))
    }

    fn take<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'a DeValue<'a>, Range<usize>) -> Result<T, Fault>,
    ) -> Option<T> {
        self.known.push(key);
        let (value, span) = self.entry(key)?;
        let refuse = |fault| {
            let (line, found) = (self.document.line_at(&span), self.document.quote(&span));
            self.document.refuse(Some(line), self.key(key), Some(found), fault);
        };
        read(value, span.clone()).map_err(refuse).ok()
    }
}

/// A key of the file's own: one that needs quotes has them, and no line end breaks a message.
fn as_written(key: &str) -> Cow<'_, str> {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !key.is_empty() && key.chars().all(is_bare) { key.into() } else { format!("{key:?}").into() }
}

/// A value that may be written in either way.
pub(crate) enum NumberOr<T, U> {
    Number(T),
    Text(U),
}

/// None if the value is no whole number at all.
fn integer<T>(value: &DeValue<'_>, range: &RangeInclusive<T>) -> Option<Result<T, Fault>>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    let digits = value.as_integer()?;
    let number = i64::from_str_radix(digits.as_str(), digits.radix())
        .ok()
        .and_then(|number| T::try_from(number).ok())
        .filter(|number| range.contains(number));
    Some(number.ok_or_else(|| out_of_range(range.start(), range.end())))
}

fn number(value: &DeValue<'_>, range: &RangeInclusive<f64>) -> Result<f64, Fault> {
    let digits = match value {
        DeValue::Float(float) => float.as_str(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        _ => return Err(Fault::WrongType("a number")),
    };
    let number = digits.parse::<f64>().map_err(|_| Fault::WrongType("a number"))?;
    // NaN lies in no range.
    if range.contains(&number) { Ok(number) } else { Err(out_of_range(range.start(), range.end())) }
}

fn out_of_range(min: impl Display, max: impl Display) -> Fault {
    Fault::OutOfRange { min: min.to_string(), max: max.to_string() }
}
