//! S-AA against its controls: the policy it started from, and as many further steps of SFT with
//! short and with full streams, on the same placements.

use super::evidence::{Evidence, Question, Stage, mean_rate};
use super::table::{Cell, Row, Table};
use super::tables::{HORIZONS, listed, with_missing};
use super::variant::{Role, Variant};
use jaco_core::Decode;

/// The rates of what is compared, and the paired differences.
pub fn controls(evidence: &Evidence<'_>) -> [Table; 2] {
    let tasks = evidence.tasks(Stage::Lockstep);
    let belongs = |role: Role| role == Role::Lbc || role.is_control() || role.is_aligned();
    let tried = evidence.variants().iter().filter(|v| belongs(v.role()));
    let missing = match evidence.variants().iter().any(|v| v.role().is_aligned()) {
        true => &["lbc", "sft-short", "sft-full"][..],
        false => &["lbc", "sft-short", "sft-full", "saa-paper", "saa-margin"],
    };
    let shown = with_missing(tried.cloned().collect(), missing);
    let question = |variant: &Variant, horizon| Question {
        variant: variant.clone(),
        horizon,
        decode: Decode::Greedy,
    };
    let columns: Vec<String> = HORIZONS.map(|horizon| format!("H = {horizon}")).into();

    let rates = shown.iter().map(|variant| {
        let cell = |&horizon: &u8| {
            let asked = question(variant, horizon);
            let rate = |task: &String| evidence.success(Stage::Lockstep, task, &asked);
            Cell::rate(mean_rate(&tasks.iter().map(rate).collect::<Vec<_>>()))
        };
        Row { head: vec![variant.name()], cells: HORIZONS.iter().map(cell).collect() }
    });
    let rates = Table {
        id: "controls",
        title: "Table 4. S-AA and its controls".to_owned(),
        caption: format!(
            "Success rate [%], greedy, mean over {}. The controls took as many further steps on the \
             same data. [95 % Wilson, tasks added as squares]; n placements.",
            listed(&tasks)
        ),
        heads: vec!["policy"],
        columns: columns.clone(),
        published_columns: 0,
        rows: rates.collect(),
        notes: vec!["The paper has no such controls.".to_owned()],
    };

    let aligned = shown.iter().filter(|v| v.role().is_aligned());
    let against = |first: &Variant| {
        let role = first.role();
        let others = shown.iter().filter(move |v| match v.role() {
            Role::Lbc | Role::ShortSft | Role::FullSft => true,
            // The paper's rule is what the others are to be better than.
            Role::SaaPaper => role != Role::SaaPaper,
            _ => false,
        });
        let same_way =
            |v: &&Variant| (v.expectation, v.max_entropy) == (first.expectation, first.max_entropy);
        let all: Vec<Variant> = others.filter(same_way).cloned().collect();
        // What chance makes of a run is a comparison of its own: a control is that of the same run,
        // where there is one.
        let has_own = |role| all.iter().any(|v| v.role() == role && v.run() == first.run());
        let fits = |v: &&Variant| v.run() == first.run() || !has_own(v.role());
        all.iter().filter(fits).cloned().collect::<Vec<_>>()
    };
    let differences = aligned.flat_map(|first| {
        against(first).into_iter().map(|second| {
            let cell = |&horizon: &u8| {
                let (one, two) = (question(first, horizon), question(&second, horizon));
                Cell::difference(evidence.pair(Stage::Lockstep, &tasks, &one, &two))
            };
            let head = vec![first.name(), second.name()];
            Row { head, cells: HORIZONS.iter().map(cell).collect() }
        })
    });
    let differences = Table {
        id: "differences",
        title: "Table 5. S-AA less its controls, paired".to_owned(),
        caption: format!(
            "Difference of success rates [points] on the same placements of {} together. [95 %: \
             Newcombe's paired score interval]; p: McNemar's exact test, both sides, for each cell \
             alone.",
            listed(&tasks)
        ),
        heads: vec!["policy", "less"],
        columns,
        published_columns: 0,
        rows: differences.collect(),
        notes: vec![],
    };
    [rates.with_notes(), differences.with_notes()]
}
