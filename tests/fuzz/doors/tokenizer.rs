//! Door: tokenizer.json, and the instruction that a person types. An instruction becomes ids that
//! the model has, the beginning first, no action token among them; or it is refused in words.
//!
//! Input: parts (see `parts`): `t` tokenizer.json (without it, the invented checkpoint's own), `i`
//! an instruction.

use super::workshop::Workshop;
use super::{parts, promise};
use jaco_model::{ActionVocab, PromptTokenizer};
use std::cell::LazyCell;

thread_local! {
    static OWN: LazyCell<(Workshop, PromptTokenizer)> = LazyCell::new(|| {
        let workshop = Workshop::new();
        let path = workshop.checkpoint.join("tokenizer.json");
        let own = PromptTokenizer::read(&path, &workshop.config).expect("an own tokenizer");
        (workshop, own)
    });
}

pub fn open(data: &[u8]) {
    OWN.with(|own| {
        let (workshop, own) = &**own;
        let mut tokenizer = own.clone();
        for (letter, content) in parts::of(data) {
            match letter {
                b't' => {
                    let folder = workshop.clear();
                    workshop.put("tokenizer.json", content);
                    let path = folder.join("tokenizer.json");
                    match PromptTokenizer::read(&path, &workshop.config) {
                        Ok(read) => tokenizer = read,
                        Err(error) => {
                            return promise::is_for_people(&promise::in_full(&error), data);
                        }
                    }
                }
                b'i' => {
                    if let Ok(instruction) = std::str::from_utf8(content) {
                        ask(workshop, &tokenizer, instruction, data);
                    }
                }
                _ => {}
            }
        }
        // Whatever was read can be asked.
        ask(workshop, &tokenizer, "put the carrot in the pan", data);
    });
}

fn ask(workshop: &Workshop, tokenizer: &PromptTokenizer, instruction: &str, data: &[u8]) {
    let text = &workshop.config.text_config;
    let first_action = ActionVocab::new(&workshop.config).first();
    match tokenizer.encode(instruction) {
        Ok(ids) => {
            assert_eq!(ids.first(), Some(&text.bos_token_id), "{ids:?}");
            assert!(ids.iter().all(|id| (0..first_action).contains(id)), "{ids:?}");
        }
        Err(error) => promise::is_for_people(&promise::in_full(&error), data),
    }
}
