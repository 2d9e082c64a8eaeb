//! What a report as a whole promises: right numbers in the right cells, nothing invented, nothing
//! left out in silence, the same bytes for the same tries.

#![allow(clippy::unwrap_used)]

use super::evidence::{Evidence, EvidenceError, Question, Rate, Stage, mean_rate};
use super::made_up::{asked, cell, made, sweep};
use super::table::{Table, Value};
use super::variant::Variant;
use super::{Evaluation, Metrics, controls, paper_report, tables, trajectories};
use jaco_core::Decode;
use jaco_trials::{Arm, Try};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::BTreeMap;

fn evaluation(labels: &[&str], tries: Vec<Try>) -> Evaluation {
    let asked = asked(labels, 10);
    Evaluation { name: "one".to_owned(), asked, tries, pictures: BTreeMap::new() }
}

/// `done` of `trials` placements done.
fn tries(task: &str, label: &str, horizon: u8, decode: &str, done: u32, trials: u32) -> Vec<Try> {
    let one = |trial| made(cell(task, label, horizon, decode), trial, 0, trial < done, 0.0);
    (0..trials).map(one).collect()
}

fn text(table: &Table, head: &[&str], column: &str) -> String {
    let column = table.columns.iter().position(|name| name == column).unwrap();
    let row = table.rows.iter().find(|row| row.head == head).unwrap();
    row.cells[column].text()
}

#[test]
fn table_1_puts_each_rate_into_its_cell_beside_the_papers() {
    let mut all = tries("place-block", "lbc", 8, "greedy", 6, 10);
    all.extend(tries("clean-table", "lbc", 8, "greedy", 9, 10));
    all.extend(tries("place-block", "lbc", 8, "beam:4", 1, 10));
    all.extend(tries("place-block", "mine", 2, "greedy", 10, 10));
    let evaluations = [evaluation(&["lbc", "mine"], all)];
    let table = tables::table_1(&Evidence::gather(&evaluations).unwrap());
    assert_eq!(text(&table, &["L-BC", "8"], "place-block"), "60.0");
    assert_eq!(text(&table, &["L-BC", "8"], "clean-table"), "90.0");
    assert_eq!(text(&table, &["L-BC", "8"], "mean of 2"), "75.0");
    assert_eq!(text(&table, &["mine", "2"], "place-block"), "100.0");
    // One task was not tried: there is no mean.
    assert_eq!(text(&table, &["mine", "2"], "mean of 2"), "not tried");
    assert_eq!(text(&table, &["L-BC", "4"], "place-block"), "not tried");
    assert_eq!(text(&table, &["single-step policy", "1"], "LIBERO Goal"), "77.2");
    assert_eq!(text(&table, &["L-BC + S-AA", "8"], "LIBERO mean"), "60.3");
    assert_eq!(text(&table, &["L-BC", "8"], "LIBERO mean"), "-");
    assert!(table.notes.iter().any(|note| note.contains("not at hand")), "{:?}", table.notes);
}

/// A row that is another's policy under the name of the paper's baseline says so.
#[test]
fn a_policy_that_stands_in_for_one_of_single_steps_is_told() {
    let mut all = tries("place-block", "lbc", 8, "greedy", 6, 10);
    all.extend(tries("place-block", "single-step", 1, "greedy", 6, 10));
    let mut evaluations = [evaluation(&["lbc", "single-step"], all)];
    let told = |evaluations: &[Evaluation]| {
        let notes = tables::table_1(&Evidence::gather(evaluations).unwrap()).notes;
        notes.into_iter().find(|note| note.contains("the files of"))
    };
    assert_eq!(told(&evaluations), None);
    evaluations[0].asked.policies[1].weights = evaluations[0].asked.policies[0].weights.clone();
    let wanted = "single-step policy: the files of L-BC, asked for one unit at a time.";
    assert_eq!(told(&evaluations).unwrap(), wanted);
}

#[test]
fn table_2_takes_the_estimate_without_bias_from_all_tries() {
    // Two of five tries done on each placement: Pass@2 = 1 - 3/5 * 2/4 = 0.7.
    let one = |trial, attempt| {
        made(cell("place-block", "saa", 6, "top-k:5:1"), trial, attempt, attempt < 2, 0.0)
    };
    let all = (0..8).flat_map(|trial| (0..5).map(move |attempt| one(trial, attempt))).collect();
    let evaluations = [evaluation(&["saa"], all)];
    let table = tables::table_2(&Evidence::gather(&evaluations).unwrap());
    let pass = |n: &str| text(&table, &["L-BC + S-AA", "top-k:5:1", n], "H = 6");
    assert_eq!([pass("Pass@1"), pass("Pass@2"), pass("Pass@5")], ["40.0", "70.0", "100.0"]);
    let row = table.rows.iter().find(|row| row.head[0] == "L-BC + S-AA" && row.head[2] == "Pass@2");
    assert_eq!(row.unwrap().cells[3].beside().as_deref(), Some("paper 82.1"));
}

#[test]
fn table_3_prefers_tries_on_an_arm() {
    let simulated = evaluation(&["lbc"], tries("place-block", "lbc", 2, "greedy", 2, 4));
    let from = |evaluations: &[Evaluation]| {
        let table = tables::table_3(&Evidence::gather(evaluations).unwrap());
        (text(&table, &["L-BC", "2"], "place-block"), table.caption)
    };
    let (rate, caption) = from(std::slice::from_ref(&simulated));
    assert!(rate == "50.0" && caption.contains("from the simulation"), "{rate} {caption}");
    let mut on_arm = evaluation(&["lbc"], tries("place-block", "lbc", 2, "greedy", 3, 4));
    on_arm.asked.arm = Arm::Real;
    // Time limits may differ there.
    on_arm.asked.max_steps = 600;
    let (rate, caption) = from(&[simulated.clone(), on_arm.clone()]);
    assert!(rate == "75.0" && caption.contains("on a real arm"), "{rate} {caption}");

    // The simulated arm's tries, of the same seeds, are no real arm's, whichever comes first.
    let mut in_real_time = evaluation(&["lbc"], tries("place-block", "lbc", 2, "greedy", 0, 4));
    in_real_time.asked.arm = Arm::Simulated;
    let (rate, _) = from(&[in_real_time.clone(), on_arm.clone()]);
    assert_eq!(rate, "75.0");
    let (rate, caption) = from(&[simulated, in_real_time]);
    assert!(rate == "0.0" && caption.contains("on the simulated arm"), "{rate} {caption}");

    // Another session with the same seed lays other tables; the same one counts once.
    let mut another = evaluation(&["lbc"], tries("place-block", "lbc", 2, "greedy", 0, 4));
    another.asked = on_arm.asked.clone();
    // No two tries at a real arm are the same.
    another.tries.iter_mut().for_each(|made| made.ran_steps += 1);
    assert_eq!(from(&[on_arm.clone(), another]).0, "37.5");
    assert_eq!(from(&[on_arm.clone(), on_arm]).0, "75.0");
}

#[test]
fn alignment_stands_beside_its_controls_on_the_same_placements() {
    let mut all = tries("place-block", "saa", 8, "greedy", 9, 10);
    all.extend(tries("place-block", "sft-full", 8, "greedy", 4, 10));
    let evaluations = [evaluation(&["saa", "sft-full"], all)];
    let [rates, differences] = controls::controls(&Evidence::gather(&evaluations).unwrap());
    assert_eq!(text(&rates, &["full-stream SFT"], "H = 8"), "40.0");
    let head = ["L-BC + S-AA", "full-stream SFT"];
    assert_eq!(text(&differences, &head, "H = 8"), "+50.0");
    assert_eq!(text(&differences, &["L-BC + S-AA", "L-BC"], "H = 8"), "not tried");
    let row = differences.rows.iter().find(|row| row.head == head).unwrap();
    let Value::Difference { counts, .. } = row.cells[4].value else { panic!("{row:?}") };
    assert_eq!((counts.both, counts.first_only, counts.neither), (4, 5, 1));
}

/// Each run beside its own controls, and beside those of another only where it has none.
#[test]
fn a_control_is_that_of_the_same_run_of_training() {
    let labels = ["lbc", "saa", "saa.2", "saa.3", "sft-full", "sft-full.2"];
    let made = labels.map(|label| tries("place-block", label, 8, "greedy", 5, 10));
    let evaluations = [evaluation(&labels, made.into_iter().flatten().collect())];
    let [_, differences] = controls::controls(&Evidence::gather(&evaluations).unwrap());
    let tried =
        differences.rows.iter().filter(|row| row.head.iter().all(|it| it != "short-stream SFT"));
    let of = |run: &str| -> Vec<String> {
        tried.clone().filter(|row| row.head[0] == run).map(|row| row.head[1].clone()).collect()
    };
    assert_eq!(of("L-BC + S-AA"), ["L-BC", "full-stream SFT"]);
    assert_eq!(of("L-BC + S-AA (run 2)"), ["L-BC", "full-stream SFT (run 2)"]);
    assert_eq!(of("L-BC + S-AA (run 3)"), ["L-BC", "full-stream SFT", "full-stream SFT (run 2)"]);
}

#[test]
fn drift_is_from_the_same_policys_path_at_one_step_at_a_time() {
    let shifted = |trial| {
        let mut long = made(cell("place-block", "lbc", 8, "greedy"), trial, 0, false, 0.0);
        long.path_m.iter_mut().for_each(|point| point[2] += 0.02);
        long
    };
    let mut all = tries("place-block", "lbc", 1, "greedy", 5, 5);
    all.extend((0..5).map(shifted));
    let evaluations = [evaluation(&["lbc"], all)];
    let trajectories = trajectories::trajectories(&Evidence::gather(&evaluations).unwrap());
    let [smoothness, drift] = &trajectories.tables[..] else { panic!() };
    assert_eq!(text(drift, &["L-BC", "8"], "after 2.5 s"), "20.0");
    assert_eq!(text(drift, &["L-BC", "8"], "after 250 mm of way"), "20.0");
    // Nothing succeeded at H = 8, so no path counts there.
    assert_eq!(text(smoothness, &["L-BC", "8"], "rms jerk [m/s^3]"), "-");
    assert_ne!(text(smoothness, &["L-BC", "1"], "rms jerk [m/s^3]"), "-");
    assert_eq!(trajectories.drift.len(), 2);
}

#[test]
fn a_report_of_nothing_invents_nothing() {
    let report = paper_report("1.2.3", &[], &[]).unwrap();
    assert!(report.html.contains("There are no tries"));
    let json: Json = serde_json::from_str(&report.json).unwrap();
    let tables = json["tables"].as_array().unwrap();
    assert!(tables.len() >= 8 && json["figures"].as_array().unwrap().is_empty());
    let cells = tables.iter().flat_map(|table| table["rows"].as_array().unwrap());
    for cell in cells.flat_map(|row| row["cells"].as_array().unwrap()) {
        assert!(
            ["empty", "absent", "published"].contains(&cell["kind"].as_str().unwrap()),
            "{cell}"
        );
    }
}

#[test]
fn a_report_is_whole_self_contained_and_the_same_for_the_same_tries() {
    let lines =
        "{\"kind\":\"train\",\"step\":1,\"loss\":2}\n{\"kind\":\"train\",\"step\":2,\"loss\":1}\n";
    let metrics = [Metrics { name: "run".to_owned(), text: lines.to_owned() }];
    let sweep = sweep(4);
    let report = paper_report("1.2.3", std::slice::from_ref(&sweep), &metrics).unwrap();
    let mut untidy = sweep;
    untidy.tries.reverse();
    assert!(paper_report("1.2.3", &[untidy], &metrics).unwrap() == report);

    let html = &report.html;
    assert!(!html.contains("<script") && !html.contains("://"), "not self-contained");
    let pictures = html.matches("<img ").count();
    assert_eq!(pictures, html.matches("src=\"data:image/png;base64,").count());
    assert!(pictures >= 7, "{pictures} pictures");
    for id in ["about", "success", "pass", "arm", "beam", "controls", "trajectories", "training"] {
        assert_eq!(html.matches(&format!("href=\"#{id}\"")).count(), 1, "{id}");
        assert_eq!(html.matches(&format!("<section id=\"{id}\"")).count(), 1, "{id}");
    }
    let json: Json = serde_json::from_str(&report.json).unwrap();
    for table in json["tables"].as_array().unwrap() {
        let title = table["title"].as_str().unwrap();
        assert!(html.contains(title) && report.markdown.contains(title), "{title}");
        let width = table["columns"].as_array().unwrap().len();
        for row in table["rows"].as_array().unwrap() {
            assert_eq!(row["cells"].as_array().unwrap().len(), width, "{title}");
        }
    }
}

#[test]
fn a_label_with_two_meanings_is_refused() {
    let one = evaluation(&["lbc"], vec![]);
    let mut two = Evaluation { name: "two".to_owned(), ..one.clone() };
    assert!(Evidence::gather(&[one.clone(), two.clone()]).is_ok());
    two.asked.policies[0].weights = "others".to_owned();
    let error = Evidence::gather(&[one.clone(), two.clone()]).unwrap_err();
    assert!(matches!(&error, EvidenceError::Label { label, .. } if label == "lbc"), "{error}");
    two.asked.policies.clear();
    two.asked.max_steps = 200;
    let error = Evidence::gather(&[one, two]).unwrap_err();
    assert!(error.to_string().contains("300 steps and two 200"), "{error}");
}

#[test]
fn tries_that_two_folders_hold_count_once() {
    let one = evaluation(&["lbc"], tries("place-block", "lbc", 8, "greedy", 5, 10));
    let two = one.clone();
    let both = [one, two];
    let evidence = Evidence::gather(&both).unwrap();
    let (variant, decode) = (Variant::plain("lbc"), Decode::Greedy);
    let question = Question { variant, horizon: 8, decode };
    let rate = evidence.success(Stage::Lockstep, "place-block", &question).unwrap();
    assert_eq!((rate.rate, rate.placements), (0.5, 10));
}

proptest! {
    #[test]
    fn the_mean_of_tasks_lies_in_its_interval_which_more_tasks_narrow(
        share in 0.0..=1.0_f64,
        below in 0.0..0.3_f64,
        above in 0.0..0.3_f64,
    ) {
        let (low, high) = ((share - below).max(0.0), (share + above).min(1.0));
        let one = Rate { rate: share, low, high, placements: 10 };
        let mean = mean_rate(&[Some(one); 4]).unwrap();
        prop_assert!((mean.rate - share).abs() < 1e-12 && mean.placements == 40);
        prop_assert!(((mean.high - mean.rate) - (high - share) / 2.0).abs() < 1e-9);
        prop_assert!(((mean.rate - mean.low) - (share - low) / 2.0).abs() < 1e-9);
        prop_assert_eq!(mean_rate(&[Some(one), None]), None);
    }
}
