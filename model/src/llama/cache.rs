//! Keys and values of the positions seen so far, and who may see them.
//!
//! A cache begins as one sequence. It can then branch: W continuations go on side by side behind
//! the same prefix, which stays in memory once and is read once. Their tokens lie in the same
//! cache, W slots for each position, and a mask says which slots are a branch's own history. So
//! beam search never moves keys or values: choosing parents permutes rows of the mask.
//! Everything is allocated at the start.

use crate::config::TextConfig;
use tch::{Device, Kind, TchError, Tensor};

/// Keys and values of all layers.
#[derive(Debug)]
pub struct KvCache {
    /// \[B, heads, slots, head_dim\] each.
    layers: Vec<(Tensor, Tensor)>,
    kind: Kind,
    /// Slots in use.
    filled: i64,
    /// Positions in use: slots, but side by side counted once.
    positions: i64,
    branches: Option<Branches>,
}

#[derive(Debug)]
struct Branches {
    width: i64,
    /// The slots that each branch may see, \[B, W, slots\].
    visible: Tensor,
    /// \[W, W\]: each branch sees the slot that it fills itself.
    own: Tensor,
}

/// Where the next tokens go.
#[derive(Debug)]
pub(super) struct Place {
    /// First slot.
    pub(super) slot: i64,
    /// Position of the first token.
    pub(super) first_position: i64,
    /// Branches side by side.
    pub(super) branches: i64,
    pub(super) sight: Sight,
}

/// What the queries may see.
#[derive(Debug)]
pub(super) enum Sight {
    /// A single query: all that is there.
    All,
    /// Queries that begin the sequence: each itself and those before.
    Causal,
    /// A mask that broadcasts to \[B, heads, queries, slots\].
    Mask(Tensor),
}

impl Place {
    /// A sequence without a cache.
    pub(super) fn whole_sequence() -> Self {
        Self { slot: 0, first_position: 0, branches: 1, sight: Sight::Causal }
    }

    /// Tokens without a cache, which see what `visible` says.
    pub(super) fn masked(visible: &Tensor) -> Self {
        let sight = Sight::Mask(visible.shallow_clone());
        Self { slot: 0, first_position: 0, branches: 1, sight }
    }
}

impl KvCache {
    /// An empty cache of `slots`.
    pub fn new(
        config: &TextConfig,
        batch: i64,
        slots: i64,
        options: (Kind, Device),
    ) -> Result<Self, TchError> {
        let shape = [batch, config.key_value_heads(), slots, config.head_dim()];
        let layers = (0..config.num_hidden_layers)
            .map(|_| Ok((Tensor::f_empty(shape, options)?, Tensor::f_empty(shape, options)?)))
            .collect::<Result<_, TchError>>()?;
        Ok(Self { layers, kind: options.0, filled: 0, positions: 0, branches: None })
    }

    /// Slots that `width` branches of `tokens` tokens need behind a prefix.
    pub fn slots(prefix: usize, width: usize, tokens: usize) -> i64 {
        (prefix + width * tokens) as i64
    }

    /// Element type of keys and values.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Positions held.
    pub fn len(&self) -> i64 {
        self.positions
    }

    /// Whether no position is held.
    pub fn is_empty(&self) -> bool {
        self.positions == 0
    }

    /// Continuations side by side.
    pub fn width(&self) -> i64 {
        self.branches.as_ref().map_or(1, |branches| branches.width)
    }

    /// From now on `width` continuations follow what is held. Each pass then takes T tokens of
    /// every branch, in the order \[T, W\].
    pub fn branch(&mut self, width: i64) -> Result<(), TchError> {
        self.branches = None;
        if width == 1 {
            return Ok(());
        }
        let (keys, _) = &self.layers[0];
        let (batch, _, slots, _) = keys.size4()?;
        let options = (Kind::Bool, keys.device());
        let visible = Tensor::f_zeros([batch, width, slots], options)?;
        let _filled = visible.f_narrow(2, 0, self.filled)?.f_fill_(1)?;
        self.branches = Some(Branches { width, visible, own: Tensor::f_eye(width, options)? });
        Ok(())
    }

    /// Branch `w` of item `b` goes on from what was branch `parents[b, w]`.
    pub fn select(&mut self, parents: &Tensor) -> Result<(), TchError> {
        if let Some(branches) = &mut self.branches {
            let rows = parents.f_unsqueeze(2)?.f_expand_as(&branches.visible)?;
            branches.visible = branches.visible.f_gather(1, &rows, false)?;
        }
        Ok(())
    }

    pub(super) fn layer(&mut self, i: usize) -> &mut (Tensor, Tensor) {
        &mut self.layers[i]
    }

    /// The place of the next `tokens` tokens, those of all branches counted.
    pub(super) fn place(&mut self, tokens: i64, device: Device) -> Result<Place, TchError> {
        let sight = match &self.branches {
            Some(branches) => Sight::Mask(branches.sight(self.filled, tokens)?),
            None if tokens == 1 => Sight::All,
            None if self.filled == 0 => Sight::Causal,
            None => {
                let all = Tensor::f_ones([tokens, self.filled + tokens], (Kind::Bool, device))?;
                Sight::Mask(all.f_tril(self.filled)?)
            }
        };
        let branches = self.width();
        Ok(Place { slot: self.filled, first_position: self.positions, branches, sight })
    }

    pub(super) fn advance(&mut self, tokens: i64) {
        self.filled += tokens;
        self.positions += tokens / self.width();
    }
}

impl Branches {
    /// Marks the next slots as their branches' own, and says what each new token may see:
    /// \[B, 1, queries, slots\].
    fn sight(&self, filled: i64, tokens: i64) -> Result<Tensor, TchError> {
        let end = filled + tokens;
        let mut rows = Vec::new();
        for first in (filled..end).step_by(self.width as usize) {
            self.visible.f_narrow(2, first, self.width)?.f_copy_(&self.own)?;
            // Later tokens' slots are still hidden in this copy.
            rows.push(self.visible.f_narrow_copy(2, 0, end)?);
        }
        Tensor::f_cat(&rows, 1)?.f_unsqueeze(1)
    }
}
