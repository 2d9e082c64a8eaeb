//! The prompt: OpenVLA's question around an instruction, as tokens.
//!
//! Owns the wording and the tokenizer. Must never see actions: their tokens are built as ids
//! (see [`crate::tokens`]), never through text.

use crate::config::OpenVlaConfig;
use crate::error::ModelError;
use crate::json::keys::{TOKENIZER, TOKENIZER_CONFIG};
use crate::json::{self, Object};
use crate::names::TOKENIZER_CONFIG_FILE;
use crate::tokens::ActionVocab;
use serde_json::Value;
use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;

/// Longest instruction. Datasets' longest ones have a few hundred characters, and what a policy
/// never saw the like of makes it move at random.
pub const MOST_INSTRUCTION_CHARS: usize = 1000;
/// What is wrong with a tokenizer.json that the library does not take.
const UNREADABLE: &str = "is no tokenizer that can be built: its model, normalizer, pre_tokenizer \
                          or post_processor is of a kind or a version that is not known here; have \
                          transformers write it again (save_pretrained), or fetch it again";
/// As much of an instruction as an error shows.
const SHOWN_CHARS: usize = 60;

/// An instruction as it stands in a prompt, for training as for asking: in lower case, single spaces
/// between the words, no punctuation at its end. Such differences mean nothing to a person, and
/// would be other tokens, and other actions, to a policy.
pub fn normalised(instruction: &str) -> String {
    let words: Vec<&str> = instruction.split_whitespace().collect();
    words.join(" ").to_lowercase().trim_end_matches(['.', '!', '?', ' ']).to_owned()
}

/// The text that a policy is asked with; the answer follows "Out:".
pub fn prompt_text(instruction: &str) -> String {
    let instruction = normalised(instruction);
    format!("In: What action should the robot take to {instruction}?\nOut:")
}

/// Turns instructions into the token ids of their prompts.
#[derive(Clone, Debug)]
pub struct PromptTokenizer {
    tokenizer: Tokenizer,
    path: PathBuf,
    unknown: Option<i64>,
    /// Ids of tokens that stand for no text.
    special: BTreeSet<u32>,
    bos: i64,
    suffix: Option<i64>,
    vocab: ActionVocab,
}

impl PromptTokenizer {
    /// Reads the tokenizer.json at `path` for a model of `config`.
    pub fn read(path: &Path, config: &OpenVlaConfig) -> Result<Self, ModelError> {
        let problem = |problem: String| ModelError::Tokenizer { path: path.to_owned(), problem };
        let sentencepiece = path.with_file_name("tokenizer.model");
        if !json::is_there(path) && json::is_there(&sentencepiece) {
            return Err(problem(format!(
                "is not there, only {}: have transformers write it: \
                 AutoTokenizer.from_pretrained(..).save_pretrained(..)",
                sentencepiece.display()
            )));
        }
        let value = json::read(path)?;
        let file = Object::root(path, &value)?;
        file.check(&TOKENIZER)?;
        if let Some(model) = file.object("model")?
            && model.number("dropout")?.is_some_and(|dropout| dropout != 0.0)
        {
            return Err(model.refuse("dropout", "would draw tokens at random; must be null"));
        }
        let unreadable = || problem(UNREADABLE.to_owned());
        let mut tokenizer = build(&value.to_string()).ok_or_else(unreadable)?;
        // What the file stores was somebody's last call; a prompt is neither padded nor cut.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|_| unreadable())?;
        check_settings(&path.with_file_name(TOKENIZER_CONFIG_FILE), &tokenizer)?;
        let special = tokenizer.get_added_tokens_decoder().into_iter();
        Ok(Self {
            unknown: tokenizer.token_to_id("<unk>").map(i64::from),
            special: special.filter(|(_, token)| token.special).map(|(id, _)| id).collect(),
            tokenizer,
            path: path.to_owned(),
            bos: config.text_config.bos_token_id,
            suffix: config.action_stream.prompt_suffix_token_id,
            vocab: ActionVocab::new(config),
        })
    }

    /// Token ids of the prompt for `instruction`: BOS first, the configured suffix last.
    ///
    /// Refuses an instruction that is empty or long beyond reason, and words that the tokenizer does
    /// not know, as the policy cannot have learnt them.
    pub fn encode(&self, instruction: &str) -> Result<Vec<i64>, ModelError> {
        let refuse = |problem: String| {
            let start: String = instruction.chars().take(SHOWN_CHARS).collect();
            ModelError::Prompt { instruction: start, problem }
        };
        let length = instruction.trim().chars().count();
        if normalised(instruction).is_empty() {
            return Err(refuse("is empty: say what the robot should do".to_owned()));
        }
        if length > MOST_INSTRUCTION_CHARS {
            return Err(refuse(format!(
                "has {length} characters, more than the {MOST_INSTRUCTION_CHARS} that are allowed"
            )));
        }
        let prompt = prompt_text(instruction);
        let encoding = self
            .tokenizer
            .encode(prompt.as_str(), true)
            .map_err(|error| refuse(format!("cannot be tokenized: {error}")))?;
        let mut ids: Vec<i64> = encoding.get_ids().iter().map(|&id| i64::from(id)).collect();
        if ids.first() != Some(&self.bos) {
            return Err(refuse(format!(
                "cannot be asked: {} does not put the BOS token {} first",
                self.path.display(),
                self.bos
            )));
        }
        // A post-processor may end prompts with EOS; the policy was asked without.
        let added = |(index, &mask): (usize, &u32)| index > 0 && mask == 1;
        if encoding.get_special_tokens_mask().iter().enumerate().any(added) {
            return Err(refuse(format!(
                "cannot be asked: post_processor of {} adds more than the BOS token",
                self.path.display()
            )));
        }
        if let Some((_, token)) = encoding
            .get_ids()
            .iter()
            .zip(encoding.get_tokens())
            .skip(1)
            .find(|(id, _)| self.special.contains(id) && Some(i64::from(**id)) != self.unknown)
        {
            return Err(refuse(format!("has {token}, which is no word: leave it out")));
        }
        let unknown: Vec<&str> = ids
            .iter()
            .zip(encoding.get_offsets())
            .filter(|(id, _)| Some(**id) == self.unknown)
            .filter_map(|(_, &(from, to))| prompt.get(from..to))
            .collect();
        if !unknown.is_empty() {
            return Err(refuse(format!(
                "has words that the policy does not know: {}",
                unknown.join(", ")
            )));
        }
        if let Some(&id) = ids.iter().find(|&&id| id >= self.vocab.first()) {
            let first = self.vocab.first();
            return Err(refuse(format!(
                "has token {id}, one of the action tokens from {first} on"
            )));
        }
        if let Some(suffix) = self.suffix.filter(|suffix| ids.last() != Some(suffix)) {
            ids.push(suffix);
        }
        Ok(ids)
    }

    /// The text of a tokenizer.json with this content.
    pub fn to_json(&self) -> Result<String, ModelError> {
        self.tokenizer.to_string(true).map_err(|error| ModelError::Tokenizer {
            path: self.path.clone(),
            problem: error.to_string(),
        })
    }
}

/// The tokenizer that a tokenizer.json describes. The library panics at some that it should
/// refuse, a damaged charsmap among them: that too is a fault of the file.
fn build(text: &str) -> Option<Tokenizer> {
    catch_unwind(|| Tokenizer::from_bytes(text)).ok()?.ok()
}

/// Refuses what transformers would do to `tokenizer` beside its file.
fn check_settings(path: &Path, tokenizer: &Tokenizer) -> Result<(), ModelError> {
    if !json::is_there(path) {
        return Ok(());
    }
    let value = json::read(path)?;
    let settings = Object::root(path, &value)?;
    settings.check(&TOKENIZER_CONFIG)?;
    let Some(added) = settings.object("added_tokens_decoder")? else { return Ok(()) };
    for (id, token) in added.map() {
        let content = token.get("content").and_then(Value::as_str).unwrap_or_default();
        if tokenizer.token_to_id(content).map(|id| id.to_string()).as_ref() != Some(id) {
            let wanted = "is not that token of tokenizer.json; have transformers write both again";
            return Err(added.refuse(id, wanted));
        }
    }
    Ok(())
}
