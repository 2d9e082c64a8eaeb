//! Which episodes go to which part of a split. Pure: the seed is given.

use anyhow::bail;
use jaco_cli::dataset::{Part, PartOf};
use jaco_shell::args::Unusable;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Shares may add up to this much more than 1: 0.7, 0.2 and 0.1 do.
const ROUNDING: f64 = 1e-9;

/// What is known of an episode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Texts of its tasks.
    pub tasks: Vec<String>,
    /// Its label.
    pub success: Option<bool>,
}

/// The episodes of each part, in their order. With shares they are drawn by `seed` unless
/// `in_order`; a part never stays without an episode as long as there are enough.
///
/// # Errors
/// Shares beside other kinds of parts, or more than all; a task that no episode has.
pub fn assign(
    parts: &[Part],
    episodes: &[Known],
    in_order: bool,
    seed: u64,
) -> anyhow::Result<Vec<Vec<usize>>> {
    let shares: Vec<f64> = parts.iter().filter_map(|part| share(&part.what)).collect();
    let rest = parts.iter().filter(|part| part.what == PartOf::Rest).count();
    if rest > 1 {
        bail!(Unusable("only one part can be the rest".to_owned()));
    }
    match shares.len() {
        0 => by_kind(parts, episodes),
        n if n + rest == parts.len() => by_share(parts, &shares, episodes.len(), in_order, seed),
        _ => bail!(Unusable(
            "parts are shares (A=0.9), or told by success, failure or task:TEXT: not both"
                .to_owned()
        )),
    }
}

fn share(what: &PartOf) -> Option<f64> {
    match what {
        PartOf::Share(share) => Some(*share),
        _ => None,
    }
}

fn by_share(
    parts: &[Part],
    shares: &[f64],
    count: usize,
    in_order: bool,
    seed: u64,
) -> anyhow::Result<Vec<Vec<usize>>> {
    let total = shares.iter().sum::<f64>();
    if total > 1.0 + ROUNDING {
        bail!(Unusable(format!("the shares add up to {total}, more than 1")));
    }
    let mut drawn: Vec<usize> = (0..count).collect();
    if !in_order {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for last in (1..count).rev() {
            drawn.swap(last, random.random_range(0..=last));
        }
    }
    let (mut upto, mut begin, mut assigned) = (0.0, 0, Vec::new());
    for part in parts {
        let Some(share) = share(&part.what) else {
            assigned.push(Vec::new());
            continue;
        };
        upto += share;
        let end = ((upto * count as f64).round() as usize).clamp(begin, count);
        let end = end.max((begin + 1).min(count));
        assigned.push(drawn[begin..end].to_vec());
        begin = end;
    }
    if let Some(rest) = parts.iter().position(|part| part.what == PartOf::Rest) {
        assigned[rest] = drawn[begin..].to_vec();
    }
    assigned.iter_mut().for_each(|episodes| episodes.sort_unstable());
    Ok(assigned)
}

fn by_kind(parts: &[Part], episodes: &[Known]) -> anyhow::Result<Vec<Vec<usize>>> {
    let mut assigned = vec![Vec::new(); parts.len()];
    let rest = parts.iter().position(|part| part.what == PartOf::Rest);
    for (index, episode) in episodes.iter().enumerate() {
        let fits = |part: &Part| match &part.what {
            PartOf::Success => episode.success == Some(true),
            PartOf::Failure => episode.success == Some(false),
            PartOf::Task(task) => episode.tasks.contains(task),
            PartOf::Share(_) | PartOf::Rest => false,
        };
        if let Some(place) = parts.iter().position(fits).or(rest) {
            assigned[place].push(index);
        }
    }
    for (part, episodes) in parts.iter().zip(&assigned) {
        if let (PartOf::Task(task), true) = (&part.what, episodes.is_empty()) {
            bail!(Unusable(format!("no episode has the task \"{task}\"")));
        }
    }
    Ok(assigned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn parts(texts: &[&str]) -> Vec<Part> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn known(count: usize) -> Vec<Known> {
        let of = |i: usize| Known {
            tasks: vec![["push", "lift"][i % 2].to_owned()],
            success: [Some(true), Some(false), None][i % 3],
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn parts_by_label_and_task_take_what_fits_and_the_rest_goes_to_the_rest() {
        let of = |texts: &[&str]| assign(&parts(texts), &known(6), false, 0).unwrap();
        assert_eq!(of(&["a=success", "b=failure", "c=rest"]), [[0, 3], [1, 4], [2, 5]]);
        assert_eq!(of(&["a=task:lift"]), [[1, 3, 5]]);
        assert!(assign(&parts(&["a=task:throw"]), &known(6), false, 0).is_err());
        assert!(assign(&parts(&["a=0.5", "b=success"]), &known(6), false, 0).is_err());
        assert!(assign(&parts(&["a=0.9", "b=0.2"]), &known(6), false, 0).is_err());
    }

    #[test]
    fn a_seed_gives_the_same_draw_and_another_seed_another() {
        let of = |seed| assign(&parts(&["a=0.9", "b=0.1"]), &known(50), false, seed).unwrap();
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        assert_eq!(of(7)[1].len(), 5);
        let in_order = assign(&parts(&["a=0.9", "b=0.1"]), &known(50), true, 7).unwrap();
        assert_eq!(in_order[1], [45, 46, 47, 48, 49]);
    }

    proptest! {
        #[test]
        fn every_episode_goes_to_one_part_at_most(count in 2_usize..60, seed: u64, share in 0.05..0.9) {
            let texts = [format!("a={share}"), "b=rest".to_owned()];
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let assigned = assign(&parts(&texts), &known(count), false, seed).unwrap();
            let mut all: Vec<usize> = assigned.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..count).collect::<Vec<_>>());
            prop_assert!(!assigned[0].is_empty());
        }
    }
}
