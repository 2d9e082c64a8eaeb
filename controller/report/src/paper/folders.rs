//! Where a report comes from and where it goes: folders of evaluations and of training runs in,
//! `report.html`, `tables.md` and `report.json` out. Nothing is computed here.

use super::evidence::Evaluation;
use super::sheets::wanted_pictures;
use super::{Metrics, PaperError, PaperReport};
use jaco_shell::durable::replace_file;
use jaco_trials::{PICTURES_FOLDER, StoreError, TrialStore};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The page.
pub const PAGE_FILE: &str = "report.html";
/// The tables.
pub const TABLES_FILE: &str = "tables.md";
/// The numbers.
pub const NUMBERS_FILE: &str = "report.json";

/// Reads the evaluation in `folder`, with the contact sheets that a report shows. A sheet that is
/// not there is left out.
///
/// # Errors
/// There is no evaluation, or it cannot be read.
pub fn read_evaluation(folder: &Path) -> Result<Evaluation, PaperError> {
    let (asked, tries) = TrialStore::read(folder)?;
    let mut pictures = BTreeMap::new();
    for name in wanted_pictures(&tries) {
        // A name that leads elsewhere was not written by an evaluation.
        let is_name = Path::new(name).file_name().is_some_and(|file| file == name);
        if let Some(png) = is_name.then(|| fs::read(folder.join(PICTURES_FOLDER).join(name)).ok()) {
            pictures.extend(png.map(|png| (name.to_owned(), png)));
        }
    }
    Ok(Evaluation { name: folder.display().to_string(), asked, tries, pictures })
}

/// Reads the metrics of the training run in `folder`.
///
/// # Errors
/// There are none, or they cannot be read.
pub fn read_metrics(folder: &Path) -> Result<Metrics, PaperError> {
    let path = folder.join("training").join("metrics.jsonl");
    let text = fs::read_to_string(&path).map_err(file(&path))?;
    Ok(Metrics { name: folder.display().to_string(), text })
}

/// Writes the report into `folder`, each file whole or as it was. Returns the page's path.
///
/// # Errors
/// The file system's refusal.
pub fn write_report(report: &PaperReport, folder: &Path) -> Result<PathBuf, PaperError> {
    fs::create_dir_all(folder).map_err(file(folder))?;
    let PaperReport { html, markdown, json } = report;
    for (name, text) in [(NUMBERS_FILE, json), (TABLES_FILE, markdown), (PAGE_FILE, html)] {
        let path = folder.join(name);
        replace_file(&path, text.as_bytes()).map_err(file(&path))?;
    }
    Ok(folder.join(PAGE_FILE))
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> PaperError {
    let path = path.to_owned();
    move |source| StoreError::File { path, source }.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::made_up::{asked, cell, made};
    use super::super::paper_report;
    use super::*;

    #[test]
    fn a_stored_evaluation_becomes_a_report_with_its_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let evaluated = folder.path().join("evaluated");
        let mut store = TrialStore::open(&evaluated, asked(&["lbc"], 2)).unwrap();
        for (trial, success) in [(0, true), (1, false)] {
            let one = made(cell("place-block", "lbc", 4, "greedy"), trial, 0, success, 0.0);
            store.push(super::super::made_up::with_sheet(one, &format!("{trial}.png"))).unwrap();
        }
        fs::write(evaluated.join("pictures/0.png"), b"a picture").unwrap();
        let evaluation = read_evaluation(&evaluated).unwrap();
        assert_eq!(evaluation.tries.len(), 2);
        assert_eq!(evaluation.pictures.keys().collect::<Vec<_>>(), ["0.png"]);
        let report = paper_report("1", &[evaluation], &[]).unwrap();
        assert!(report.html.contains("YSBwaWN0dXJl"), "the picture is not in the page");
        let out = folder.path().join("out/paper");
        let page = write_report(&report, &out).unwrap();
        assert_eq!(fs::read_to_string(page).unwrap(), report.html);
        assert!(fs::read_to_string(out.join(TABLES_FILE)).unwrap().contains("Table 1"));
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(out.join(NUMBERS_FILE)).unwrap()).unwrap();
        assert_eq!(json["tables"][0]["id"], "table-1");
    }

    #[test]
    fn a_sheet_outside_of_the_pictures_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = TrialStore::open(folder.path(), asked(&["lbc"], 1)).unwrap();
        let one = made(cell("place-block", "lbc", 4, "greedy"), 0, 0, true, 0.0);
        store.push(super::super::made_up::with_sheet(one, "../secret")).unwrap();
        fs::write(folder.path().join("secret"), b"x").unwrap();
        assert!(read_evaluation(folder.path()).unwrap().pictures.is_empty());
    }

    #[test]
    fn what_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        let error = read_evaluation(&missing).unwrap_err().to_string();
        assert!(error.contains("none holds no evaluation"), "{error}");
        let error = read_metrics(&missing).unwrap_err().to_string();
        assert!(error.contains("none/training/metrics.jsonl"), "{error}");
    }
}
