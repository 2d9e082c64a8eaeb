//! What one pass of step-wise alignment holds: for each state the policy's stream, the expert's
//! units each behind the policy's units before it, and the expert's stream.
//!
//! Owns which token of the pass is which. Must never weigh anything.

use jaco_core::ActionUnit;
use jaco_model::config::UNIT_TOKENS;
use jaco_model::tokens::ActionVocab;
use jaco_model::{After, ModelError, OpenVla, Packed, TokenTree};
use tch::{Device, TchError, Tensor};

/// A state and the streams that are compared there.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Token ids of the prompt.
    pub prompt: Vec<i64>,
    /// The policy's units.
    pub own: Vec<ActionUnit>,
    /// The expert's that they are compared with; no more than there are own ones.
    pub expert: Vec<ActionUnit>,
    /// The expert's stream for imitation.
    pub stream: Vec<ActionUnit>,
    /// What is fed in for it: the same, or the same with noise.
    pub fed: Vec<ActionUnit>,
}

/// Which units are compared.
#[derive(Clone, Copy, Debug)]
pub enum Compared<'a> {
    /// All.
    All,
    /// At most one in each case.
    At(&'a [Option<usize>]),
}

/// Where the tokens of two units that answer the same history are among the scored ones. Equal
/// units are the same tokens: they tie exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// First token of the policy's unit.
    pub own: usize,
    /// First token of the expert's.
    pub expert: usize,
}

/// The layout of a pass.
#[derive(Debug)]
pub struct Layout {
    packed: Packed,
    /// Numbers of the tokens that are scored.
    scored: Vec<usize>,
    /// By case and unit.
    pairs: Vec<Vec<Option<Pair>>>,
    /// Numbers of the tokens of the expert's streams.
    streams: Vec<usize>,
}

impl Layout {
    /// The layout of `cases`; with `imitated`, the streams for imitation are among it.
    pub fn new(
        cases: &[Case],
        compared: Compared,
        imitated: bool,
        vocab: &ActionVocab,
        patches: usize,
        device: Device,
    ) -> Result<Self, ModelError> {
        let mut trees = Vec::with_capacity(cases.len());
        let (mut scored, mut pairs, mut streams) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = 0;
        for (number, case) in cases.iter().enumerate() {
            let wanted = |h: usize| match compared {
                Compared::All => true,
                Compared::At(units) => units[number] == Some(h),
            };
            let units = case.own.len().min(case.expert.len());
            let end = (0..units).rev().find(|&h| wanted(h)).map_or(0, |h| h + 1);
            let mut tree = TokenTree::new(case.prompt.clone());
            let own = tree.add(After::Prefix, vocab.stream_tokens(&case.own[..end])?);
            let first_own = next;
            next += end * UNIT_TOKENS;
            let mut of_case = vec![None; end];
            for h in (0..end).filter(|&h| wanted(h)) {
                let mut score = |first: usize| {
                    scored.extend(first..first + UNIT_TOKENS);
                    scored.len() - UNIT_TOKENS
                };
                let own_at = score(first_own + h * UNIT_TOKENS);
                let mut expert_at = own_at;
                if case.own[h] != case.expert[h] {
                    let after = After::Branch { branch: own, tokens: h * UNIT_TOKENS };
                    tree.add(after, vocab.stream_tokens(&case.expert[h..=h])?);
                    expert_at = score(next);
                    next += UNIT_TOKENS;
                }
                of_case[h] = Some(Pair { own: own_at, expert: expert_at });
            }
            if imitated {
                tree.add(After::Prefix, vocab.stream_tokens(&case.fed)?);
                let tokens = case.fed.len() * UNIT_TOKENS;
                streams.extend(next..next + tokens);
                next += tokens;
            }
            pairs.push(of_case);
            trees.push(tree);
        }
        Ok(Self { packed: Packed::new(&trees, patches, device)?, scored, pairs, streams })
    }

    /// The pair of unit `h` of case `case`, if it is compared.
    pub fn pair(&self, case: usize, h: usize) -> Option<Pair> {
        self.pairs[case].get(h).copied().flatten()
    }

    /// Units of case `case` up to the last one that is compared.
    pub fn units(&self, case: usize) -> usize {
        self.pairs[case].len()
    }

    /// Hidden states that predict all tokens under `model`, from projected patches \[B, P, hidden\].
    pub fn hidden(&self, model: &OpenVla, features: &Tensor) -> Result<Tensor, TchError> {
        model.packed_hidden(features, &self.packed)
    }

    /// Logits \[S, vocabulary\] that predict the scored tokens.
    pub fn scored_logits(&self, model: &OpenVla, hidden: &Tensor) -> Result<Tensor, TchError> {
        self.logits(model, hidden, &self.scored)
    }

    /// Log-probabilities \[S\] of the scored tokens under their logits.
    pub fn log_probs(&self, logits: &Tensor) -> Result<Tensor, TchError> {
        self.packed.log_probs_of(&self.scored, logits)
    }

    /// Logits \[tokens, vocabulary\] that predict the streams for imitation.
    pub fn stream_logits(&self, model: &OpenVla, hidden: &Tensor) -> Result<Tensor, TchError> {
        self.logits(model, hidden, &self.streams)
    }

    fn logits(
        &self,
        model: &OpenVla,
        hidden: &Tensor,
        which: &[usize],
    ) -> Result<Tensor, TchError> {
        let rows = hidden.f_index_select(0, &self.packed.rows_of(which)?)?;
        model.language_model().logits(&rows)
    }
}
