//! The paper's tables 1, 2 and 3 and its Figure 3, from tries: which cell shows which rate.

use super::evidence::{Evidence, Question, Rate, Stage, mean_rate};
use super::published::{self, SUITES};
use super::table::{Cell, Row, Table, Value};
use super::variant::{Role, Variant};
use crate::chart::{Panel, Point, Series, Spread};
use jaco_core::Decode;

/// Horizons of the paper's simulated tables.
pub const HORIZONS: [u8; 6] = [1, 2, 4, 6, 8, 10];
/// Horizons of its table of the real arm.
pub const ARM_HORIZONS: [u8; 5] = [1, 2, 3, 4, 5];
/// Beam widths of its Figure 3; 1 is greedy.
pub const BEAMS: [usize; 4] = [1, 2, 4, 5];
/// N of its Table 2.
pub const PASSES: [u32; 3] = [1, 2, 5];

/// How the intervals were made.
const WILSON: &str = "[95 % Wilson score interval]; n placements, each tried once";

/// The rows that a table of the paper has, whether tried or not, and any other policy's.
fn rows(evidence: &Evidence<'_>) -> Vec<Variant> {
    let tried = evidence.variants().iter().filter(|v| !v.role().is_control());
    with_missing(tried.cloned().collect(), &["single-step", "lbc", "saa"])
}

/// Adds those of `labels` that no row stands for, and puts all into the paper's order.
pub fn with_missing(mut rows: Vec<Variant>, labels: &[&str]) -> Vec<Variant> {
    for wanted in labels.iter().map(|label| Variant::plain(label)) {
        if rows.iter().all(|row| row.role() != wanted.role()) {
            rows.push(wanted);
        }
    }
    rows.sort_by(Variant::compare);
    rows
}

/// The horizons at which a row is shown.
fn horizons(row: &Variant, all: &[u8]) -> Vec<u8> {
    match row.role() {
        Role::SingleStep | Role::Expert => vec![1],
        _ => all.to_vec(),
    }
}

fn horizon_word(row: &Variant, horizon: u8) -> String {
    if row.role() == Role::Expert { String::new() } else { horizon.to_string() }
}

/// Rates of each task and their mean.
fn with_mean(rates: Vec<Option<Rate>>) -> Vec<Cell> {
    let mean = mean_rate(&rates);
    rates.into_iter().chain([mean]).map(Cell::rate).collect()
}

fn columns(tasks: &[String]) -> Vec<String> {
    tasks.iter().cloned().chain([format!("mean of {}", tasks.len())]).collect()
}

/// Table 1: success by horizon, ours by task beside the paper's by suite.
pub fn table_1(evidence: &Evidence<'_>) -> Table {
    let tasks = evidence.tasks(Stage::Lockstep);
    let row = |variant: &Variant, horizon: u8| {
        let (variant, decode) = (variant.clone(), Decode::Greedy);
        let question = Question { variant, horizon, decode };
        let rates = tasks.iter().map(|task| evidence.success(Stage::Lockstep, task, &question));
        let cells = with_mean(rates.collect()).into_iter();
        let role = question.variant.role();
        let paper = published::table_1(role, horizon).map(Cell::published);
        let head = vec![question.variant.name(), horizon_word(&question.variant, horizon)];
        Row { head, cells: cells.chain(paper).collect() }
    };
    let rows = rows(evidence);
    let rows = rows.iter().flat_map(|v| horizons(v, &HORIZONS).into_iter().map(|h| row(v, h)));
    let suites = SUITES.iter().map(|suite| format!("LIBERO {suite}"));
    Table {
        id: "table-1",
        title: "Table 1. Success by horizon".to_owned(),
        caption: format!(
            "Success rate [%] with greedy decoding in simulation, all H units executed before the \
             next look. {WILSON}; of the mean: the tasks' intervals added as squares (Zou and \
             Donner, 2008). To the right the paper's rates on LIBERO, which are other tasks."
        ),
        heads: vec!["policy", "H"],
        columns: columns(&tasks)
            .into_iter()
            .chain(suites)
            .chain(["LIBERO mean".to_owned()])
            .collect(),
        published_columns: SUITES.len() + 1,
        rows: rows.collect(),
        notes: stand_ins(evidence),
    }
    .with_notes()
}

/// That a row of single steps is another row's policy, where it is.
fn stand_ins(evidence: &Evidence<'_>) -> Vec<String> {
    let single = evidence.variants().iter().filter(|v| v.role() == Role::SingleStep);
    let told = single.filter_map(|variant| {
        let same = evidence.same_files(&variant.label);
        let names: Vec<String> = same.iter().map(Variant::name).collect();
        (!names.is_empty()).then(|| {
            let (name, same) = (variant.name(), names.join(", "));
            format!("{name}: the files of {same}, asked for one unit at a time.")
        })
    });
    told.collect()
}

/// Mean over the tasks of Pass@N at a horizon.
fn mean_pass(evidence: &Evidence<'_>, question: &Question, n: u32) -> Option<Rate> {
    let tasks = evidence.tasks(Stage::Lockstep);
    let pass = |task: &String| evidence.pass(Stage::Lockstep, task, question, n);
    mean_rate(&tasks.iter().map(pass).collect::<Vec<_>>())
}

fn top_k(evidence: &Evidence<'_>) -> Vec<Decode> {
    let tried = evidence.top_k();
    if tried.is_empty() { vec![Decode::TopK { k: 5, temperature: 1.0 }] } else { tried }
}

/// Table 2: Pass@1, 2 and 5 with top-k by horizon, means over the tasks; greedy beside them.
pub fn table_2(evidence: &Evidence<'_>) -> Table {
    let tasks = evidence.tasks(Stage::Lockstep);
    let mut rows_made = Vec::new();
    for variant in rows(evidence).iter().filter(|v| v.role() != Role::Expert) {
        let own = horizons(variant, &HORIZONS);
        let mut row = |way: String, pass: String, n: u32, decode: Decode| {
            let cells = HORIZONS.iter().map(|&horizon| {
                let question = Question { variant: variant.clone(), horizon, decode };
                let role = variant.role();
                let drawn = decode != Decode::Greedy;
                let known = published::table_2(role, horizon, n).filter(|_| drawn);
                let ours = match own.contains(&horizon) {
                    true => Cell::rate(mean_pass(evidence, &question, n)),
                    // A policy of single steps has no longer streams.
                    false => Cell::ours(Value::Absent),
                };
                Cell { published: known, ..ours }
            });
            rows_made.push(Row { head: vec![variant.name(), way, pass], cells: cells.collect() });
        };
        row("greedy".to_owned(), "Pass@1".to_owned(), 1, Decode::Greedy);
        for decode in top_k(evidence) {
            for n in PASSES {
                row(decode.to_string(), format!("Pass@{n}"), n, decode);
            }
        }
    }
    let notes =
        vec![published::TABLE_2_NOTE.to_owned(), published::NOT_AT_HAND_ELSEWHERE.to_owned()];
    Table {
        id: "table-2",
        title: "Table 2. Pass@N with top-k by horizon".to_owned(),
        caption: format!(
            "Share of placements [%] done in at least one of N independent tries: the estimate \
             without bias from all tries made, mean over {}. [95 %: Wilson over the placements, \
             tasks added as squares]; n placements.",
            listed(&tasks)
        ),
        heads: vec!["policy", "decoding", "N"],
        columns: HORIZONS.map(|horizon| format!("H = {horizon}")).into(),
        published_columns: 0,
        rows: rows_made,
        notes,
    }
    .with_notes()
}

/// Table 3: the arm, horizons 1 to 5; from tries on a real arm, else on the simulated one in real
/// time, else from lockstep: never from two of them.
pub fn table_3(evidence: &Evidence<'_>) -> Table {
    let is_tried = |stage: &Stage| !evidence.tasks(*stage).is_empty();
    let stage = [Stage::Real, Stage::Simulated].into_iter().find(is_tried);
    let stage = stage.unwrap_or(Stage::Lockstep);
    let tasks = evidence.tasks(stage);
    let row = |variant: &Variant, horizon: u8| {
        let (variant, decode) = (variant.clone(), Decode::Greedy);
        let question = Question { variant, horizon, decode };
        let rates = tasks.iter().map(|task| evidence.success(stage, task, &question)).collect();
        // The paper's arm ran the baseline at H = 1 and Action Stream beyond.
        let role = question.variant.role();
        let is_papers = if horizon == 1 { Role::SingleStep } else { Role::Saa };
        let known = published::table_3_mean(horizon).filter(|_| role == is_papers);
        let head = vec![question.variant.name(), horizon_word(&question.variant, horizon)];
        let cells = with_mean(rates).into_iter().chain([Cell::published(known)]).collect();
        Row { head, cells }
    };
    let rows = rows(evidence);
    let rows = rows.iter().flat_map(|v| horizons(v, &ARM_HORIZONS).into_iter().map(|h| row(v, h)));
    let source = match stage {
        Stage::Real => "Tries on a real arm through the daemon.",
        Stage::Simulated => "Tries on the simulated arm through the daemon, in real time.",
        Stage::Lockstep => "No tries on an arm are stored: these are from the simulation.",
    };
    Table {
        id: "table-3",
        title: "Table 3. The arm".to_owned(),
        caption: format!("Success rate [%] at short horizons, greedy. {source} {WILSON}."),
        heads: vec!["policy", "H"],
        columns: columns(&tasks).into_iter().chain(["paper, mean".to_owned()]).collect(),
        published_columns: 1,
        rows: rows.collect(),
        notes: vec![],
    }
    .with_notes()
}

fn beam(width: usize) -> Decode {
    if width == 1 { Decode::Greedy } else { Decode::Beam { width } }
}

/// Figure 3 as a table: beam width against horizon, means over the tasks.
pub fn figure_3_table(evidence: &Evidence<'_>) -> Table {
    let tasks = evidence.tasks(Stage::Lockstep);
    let streams = rows(evidence);
    let streams = streams.iter().filter(|v| horizons(v, &HORIZONS).len() > 1);
    let rows = streams.flat_map(|variant| {
        BEAMS.into_iter().map(|width| {
            let cells = HORIZONS.iter().map(|&horizon| {
                let question = Question { variant: variant.clone(), horizon, decode: beam(width) };
                Cell::rate(mean_pass(evidence, &question, 1))
            });
            Row { head: vec![variant.name(), width.to_string()], cells: cells.collect() }
        })
    });
    Table {
        id: "figure-3-table",
        title: "Figure 3 in numbers. Beam search".to_owned(),
        caption: format!(
            "Success rate [%] by beam width, 1 = greedy, mean over {}. {WILSON}, tasks added as \
             squares.",
            listed(&tasks)
        ),
        heads: vec!["policy", "beam"],
        columns: HORIZONS.map(|horizon| format!("H = {horizon}")).into(),
        published_columns: 0,
        rows: rows.collect(),
        notes: vec![published::FIGURE_3_NOTE.to_owned()],
    }
    .with_notes()
}

/// Success against horizon, a series for each way that `ways` names; only what was tried.
fn by_horizon(
    evidence: &Evidence<'_>,
    caption: String,
    ways: Vec<(String, Variant, Decode)>,
) -> Panel {
    let points = |variant: &Variant, decode: Decode| -> Vec<Point> {
        let at = |&horizon: &u8| {
            let question = Question { variant: variant.clone(), horizon, decode };
            let rate = mean_pass(evidence, &question, 1)?;
            let range = Some((100.0 * rate.low, 100.0 * rate.high));
            Some(Point { x: f64::from(horizon), y: 100.0 * rate.rate, range })
        };
        horizons(variant, &HORIZONS).iter().filter_map(at).collect()
    };
    let series = ways
        .into_iter()
        .map(|(name, variant, decode)| Series { name, points: points(&variant, decode) });
    Panel {
        caption,
        x_axis: "horizon H [units of 100 ms]".to_owned(),
        y_axis: "success [%]".to_owned(),
        x: Some(0.5..10.5),
        y: Some(0.0..105.0),
        spread: Spread::Whiskers,
        series: series.filter(|series| !series.points.is_empty()).collect(),
    }
}

/// Success against horizon of every policy, greedy: Table 1's means at a glance.
pub fn success_figure(evidence: &Evidence<'_>) -> Vec<Panel> {
    let ways = evidence.variants().iter().filter(|v| v.role() != Role::Expert);
    let ways = ways.map(|v| (v.name(), v.clone(), Decode::Greedy)).collect();
    let caption = format!("mean over {}", listed(&evidence.tasks(Stage::Lockstep)));
    vec![by_horizon(evidence, caption, ways)]
}

/// Figure 3: a panel for each policy that streams, a series for each beam width.
pub fn figure_3(evidence: &Evidence<'_>) -> Vec<Panel> {
    let streams = evidence.variants().iter().filter(|v| horizons(v, &HORIZONS).len() > 1);
    let panels = streams.filter(|v| !v.role().is_control()).map(|variant| {
        let way = |width| (format!("beam {width}"), variant.clone(), beam(width));
        by_horizon(evidence, variant.name(), BEAMS.into_iter().map(way).collect())
    });
    panels.filter(|panel| panel.series.len() > 1).collect()
}

/// Tasks in words.
pub fn listed(tasks: &[String]) -> String {
    match tasks {
        [] => "no task".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
