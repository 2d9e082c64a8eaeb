//! Several continuations of one prefix, laid out for one pass: each token sees the prefix, what it
//! goes on from, and its own branch up to itself.
//!
//! Owns slots, positions and the mask. Must never run a model or know what tokens mean.

use tch::{Device, Kind, TchError, Tensor};

/// What a branch goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Picture and prompt.
    Prefix,
    /// The first `tokens` tokens of the branch number `branch`, which was added before.
    Branch {
        /// Its number.
        branch: usize,
        /// How many of its tokens.
        tokens: usize,
    },
}

/// A prompt and what may follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenTree {
    /// Token ids of the prompt, BOS first.
    pub prompt: Vec<i64>,
    branches: Vec<(After, Vec<i64>)>,
}

impl TokenTree {
    /// A tree without a branch.
    pub fn new(prompt: Vec<i64>) -> Self {
        Self { prompt, branches: Vec::new() }
    }

    /// Adds a branch; its number.
    pub fn add(&mut self, after: After, tokens: Vec<i64>) -> usize {
        self.branches.push((after, tokens));
        self.branches.len() - 1
    }

    /// Tokens of each branch that are fed: the last one only if another branch goes on from it.
    fn fed(&self) -> Result<Vec<usize>, TchError> {
        let mut fed: Vec<usize> =
            self.branches.iter().map(|(_, tokens)| tokens.len().saturating_sub(1)).collect();
        for (number, (after, _)) in self.branches.iter().enumerate() {
            let After::Branch { branch, tokens } = *after else { continue };
            if branch >= number || tokens > self.branches[branch].1.len() {
                let problem = format!("branch {number} cannot go on from {tokens} of {branch}");
                return Err(TchError::Shape(problem));
            }
            fed[branch] = fed[branch].max(tokens);
        }
        Ok(fed)
    }
}

/// A batch of trees.
#[derive(Debug)]
pub struct Packed {
    /// Token ids \[B, T\] (int64): prompt and branches, then filling up to the longest of the batch.
    pub input_ids: Tensor,
    /// Position of each of P patches and T tokens \[B, P + T\] (int64).
    pub positions: Tensor,
    /// Which places each place sees, \[B, 1, P + T, P + T\] (bool).
    pub visible: Tensor,
    /// The place that predicts each token of each branch, in the order of trees, branches and
    /// tokens; an index into the flattened places \[B (P + T)\].
    pub rows: Vec<i64>,
    /// Those tokens.
    pub tokens: Vec<i64>,
}

impl Packed {
    /// Lays out `trees` for a model whose pictures become `patches` patches.
    pub fn new(trees: &[TokenTree], patches: usize, device: Device) -> Result<Self, TchError> {
        let fed = trees.iter().map(TokenTree::fed).collect::<Result<Vec<_>, _>>()?;
        let lengths = trees.iter().zip(&fed);
        let lengths = lengths.map(|(tree, fed)| tree.prompt.len() + fed.iter().sum::<usize>());
        let length = lengths.max().unwrap_or(0);
        let places = patches + length;
        let mut layout = Layout {
            ids: Vec::with_capacity(trees.len() * length),
            positions: vec![0; trees.len() * places],
            visible: vec![false; trees.len() * places * places],
            rows: Vec::new(),
            places,
        };
        for (number, (tree, fed)) in trees.iter().zip(&fed).enumerate() {
            layout.push(tree, fed, number, patches);
            // What fills a shorter row is seen by nobody else.
            layout.ids.resize((number + 1) * length, tree.prompt[0]);
        }
        let (batch, width) = (trees.len() as i64, places as i64);
        let on_device = |values: &[i64], width: i64| {
            Tensor::f_from_slice(values)?.f_view([batch, width])?.f_to_device(device)
        };
        let branches = trees.iter().flat_map(|tree| &tree.branches);
        Ok(Self {
            input_ids: on_device(&layout.ids, length as i64)?,
            positions: on_device(&layout.positions, width)?,
            visible: Tensor::f_from_slice(&layout.visible)?
                .f_view([batch, 1, width, width])?
                .f_to_device(device)?,
            rows: layout.rows,
            tokens: branches.flat_map(|(_, tokens)| tokens).copied().collect(),
        })
    }

    /// The places \[T\] of the flattened rows that predict all tokens.
    pub(crate) fn predicting(&self) -> Result<Tensor, TchError> {
        Tensor::f_from_slice(&self.rows)?.f_to_device(self.input_ids.device())
    }

    /// The rows \[R\] of [`OpenVla::packed_hidden`](crate::OpenVla::packed_hidden) that predict the
    /// tokens `which`, numbers into [`Packed::tokens`].
    pub fn rows_of(&self, which: &[usize]) -> Result<Tensor, TchError> {
        let rows: Vec<i64> = which.iter().map(|&at| at as i64).collect();
        Tensor::f_from_slice(&rows)?.f_to_device(self.input_ids.device())
    }

    /// Log-probability \[R\] in float32 of the tokens `which` under `logits` \[R, vocabulary\] of
    /// the places that predict them.
    pub fn log_probs_of(&self, which: &[usize], logits: &Tensor) -> Result<Tensor, TchError> {
        let tokens: Vec<i64> = which.iter().map(|&at| self.tokens[at]).collect();
        let tokens = Tensor::f_from_slice(&tokens)?.f_unsqueeze(1)?.f_to_device(logits.device())?;
        logits.f_log_softmax(1, Kind::Float)?.f_gather(1, &tokens, false)?.f_squeeze_dim(1)
    }
}

struct Layout {
    ids: Vec<i64>,
    positions: Vec<i64>,
    visible: Vec<bool>,
    rows: Vec<i64>,
    /// Patches and tokens of a row.
    places: usize,
}

impl Layout {
    /// Adds row `number`.
    fn push(&mut self, tree: &TokenTree, fed: &[usize], number: usize, patches: usize) {
        let (places, prefix) = (self.places, patches + tree.prompt.len());
        self.ids.extend(&tree.prompt);
        for place in 0..places {
            self.see(number, place, if place < prefix { 0 } else { place }, place + 1);
        }
        for (position, place) in
            self.positions[number * places..][..prefix].iter_mut().zip(0..prefix as i64)
        {
            *position = place;
        }
        let mut firsts: Vec<usize> = Vec::with_capacity(fed.len());
        let mut next = prefix;
        for ((after, tokens), &fed) in tree.branches.iter().zip(fed) {
            let first = next;
            next += fed;
            firsts.push(first);
            self.ids.extend(&tokens[..fed]);
            let history = history(tree, *after, &firsts);
            let before: usize = history.iter().map(|(_, count)| count).sum();
            for token in 0..fed {
                let place = first + token;
                self.positions[number * places + place] = (prefix + before + token) as i64;
                self.see(number, place, 0, prefix);
                for &(begin, count) in &history {
                    self.see(number, place, begin, begin + count);
                }
                self.see(number, place, first, place + 1);
            }
            let newest = history.iter().find(|(_, count)| *count > 0);
            let last = newest.map_or(prefix - 1, |(begin, count)| begin + count - 1);
            let predicting = (0..tokens.len()).map(|t| if t == 0 { last } else { first + t - 1 });
            self.rows.extend(predicting.map(|place| (number * places + place) as i64));
        }
    }

    fn see(&mut self, number: usize, place: usize, begin: usize, end: usize) {
        let row = (number * self.places + place) * self.places;
        self.visible[row + begin..row + end].fill(true);
    }
}

/// Where the tokens that a branch goes on from begin and how many they are, newest first.
fn history(tree: &TokenTree, mut after: After, firsts: &[usize]) -> Vec<(usize, usize)> {
    let mut history = Vec::new();
    while let After::Branch { branch, tokens } = after {
        history.push((firsts[branch], tokens));
        after = tree.branches[branch].0;
    }
    history
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn numbers(tensor: &Tensor) -> Vec<i64> {
        Vec::try_from(tensor.flatten(0, -1).to_kind(Kind::Int64)).unwrap()
    }

    /// Two patches; prompt 1 5; 10 11 12 behind it, 20 21 behind its first token, 30 behind both
    /// of these.
    fn tree() -> TokenTree {
        let mut tree = TokenTree::new(vec![1, 5]);
        let first = tree.add(After::Prefix, vec![10, 11, 12]);
        let second = tree.add(After::Branch { branch: first, tokens: 1 }, vec![20, 21]);
        tree.add(After::Branch { branch: second, tokens: 2 }, vec![30]);
        tree
    }

    #[test]
    fn each_token_stands_behind_its_own_history_only() {
        let packed = Packed::new(&[tree()], 2, Device::Cpu).unwrap();
        assert_eq!(numbers(&packed.input_ids), [1, 5, 10, 11, 20, 21]);
        assert_eq!(numbers(&packed.positions), [0, 1, 2, 3, 4, 5, 5, 6]);
        let seen = |place: i64| -> Vec<i64> {
            let row = numbers(&packed.visible.get(0).get(0).get(place));
            (0..8).filter(|&at| row[at as usize] == 1).collect()
        };
        assert_eq!(seen(2), [0, 1, 2]);
        assert_eq!(seen(5), [0, 1, 2, 3, 4, 5]);
        assert_eq!(seen(6), [0, 1, 2, 3, 4, 6]);
        assert_eq!(seen(7), [0, 1, 2, 3, 4, 6, 7]);
        assert_eq!(packed.tokens, [10, 11, 12, 20, 21, 30]);
        assert_eq!(packed.rows, [3, 4, 5, 4, 6, 7]);
    }

    #[test]
    fn a_shorter_row_is_filled_with_what_only_sees_itself() {
        let packed = Packed::new(&[tree(), TokenTree::new(vec![1])], 2, Device::Cpu).unwrap();
        assert_eq!(packed.input_ids.size(), [2, 6]);
        let row = numbers(&packed.visible.get(1).get(0).get(5));
        assert_eq!(row, [0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(packed.rows.len(), 6, "a tree without a branch predicts nothing");
    }

    #[test]
    fn a_branch_cannot_go_on_from_what_is_not_there() {
        for (branch, tokens) in [(0, 4), (1, 0), (7, 1)] {
            let mut tree = TokenTree::new(vec![1]);
            tree.add(After::Prefix, vec![10, 11, 12]);
            tree.add(After::Branch { branch, tokens }, vec![20]);
            assert!(Packed::new(&[tree], 2, Device::Cpu).is_err(), "{branch} {tokens}");
        }
    }
}
