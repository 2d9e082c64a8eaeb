//! The prompt: OpenVLA's question around an instruction, as tokens.
//!
//! Owns the wording and the tokenizer. Must never see actions: their tokens are built as ids
//! (see [`crate::tokens`]), never through text.

use crate::config::OpenVlaConfig;
use crate::error::ModelError;
use crate::tokens::ActionVocab;
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;

/// Longest instruction. Datasets' longest ones have a few hundred characters, and what a policy
/// never saw the like of makes it move at random.
pub const MOST_INSTRUCTION_CHARS: usize = 1000;
/// As much of an instruction as an error shows.
const SHOWN_CHARS: usize = 60;

/// The text that a policy is asked with; the answer follows "Out:".
pub fn prompt_text(instruction: &str) -> String {
    let instruction = instruction.trim().to_lowercase();
    format!("In: What action should the robot take to {instruction}?\nOut:")
}

/// Turns instructions into the token ids of their prompts.
#[derive(Clone, Debug)]
pub struct PromptTokenizer {
    tokenizer: Tokenizer,
    path: PathBuf,
    unknown: Option<i64>,
    bos: i64,
    suffix: Option<i64>,
    vocab: ActionVocab,
}

impl PromptTokenizer {
    /// Reads the tokenizer.json at `path` for a model of `config`.
    pub fn read(path: &Path, config: &OpenVlaConfig) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(ModelError::io(path))?;
        let tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| ModelError::Tokenizer {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        Ok(Self {
            unknown: tokenizer.token_to_id("<unk>").map(i64::from),
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
        if length == 0 {
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
