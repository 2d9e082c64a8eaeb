//! Step-wise action alignment (S-AA): the policy learns at the first unit where its own stream goes
//! wrong.
//!
//! Of one batch: `explore` asks the policy for its streams, `layout` puts them and the expert's
//! (by `relabel`) into one pass, `align` compares them by `preference` or `deviation` and weighs what is found against
//! `imitation`; `objective` makes a stage of it, which keeps the `reference` and what `selection`
//! has seen. Must never move an arm: what it learns from are recorded states.

mod align;
#[cfg(test)]
mod align_tests;
mod config;
mod deviation;
mod explore;
mod imitation;
mod layout;
mod objective;
mod preference;
mod reference;
mod relabel;
mod selection;
mod tally;

pub use config::{Control, Deviation, SaaConfig};
pub use objective::train_saa;
pub use relabel::Relabel;
