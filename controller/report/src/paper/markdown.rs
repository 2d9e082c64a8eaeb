//! Tables as Markdown, for documents that are read as text.

use super::table::{Cell, Table};
use std::fmt::Write;

/// The tables one after another.
pub fn markdown(tables: &[Table]) -> String {
    let mut page = String::new();
    for table in tables {
        // Writing to a string cannot fail.
        let _ = write_table(&mut page, table);
    }
    page
}

fn write_table(page: &mut String, table: &Table) -> std::fmt::Result {
    writeln!(page, "### {}\n\n{}\n", table.title, table.caption)?;
    if !table.rows.is_empty() {
        let heads = table.heads.iter().map(|head| (*head).to_owned());
        let names: Vec<String> = heads.chain(table.columns.iter().cloned()).collect();
        writeln!(page, "| {} |", names.iter().map(|n| escaped(n)).collect::<Vec<_>>().join(" | "))?;
        let lines = table.heads.iter().map(|_| "---").chain(table.columns.iter().map(|_| "--:"));
        writeln!(page, "| {} |", lines.collect::<Vec<_>>().join(" | "))?;
        for row in &table.rows {
            let heads = row.head.iter().map(|head| escaped(head));
            let cells: Vec<String> = heads.chain(row.cells.iter().map(cell)).collect();
            writeln!(page, "| {} |", cells.join(" | "))?;
        }
        writeln!(page)?;
    }
    table.notes.iter().try_for_each(|note| writeln!(page, "{note}\n"))
}

fn cell(cell: &Cell) -> String {
    let beside = cell.beside().map(|words| format!("({words})"));
    let parts = [Some(cell.text()), Some(cell.small()), beside];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    escaped(&parts.join(" "))
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Rate;
    use super::super::published;
    use super::super::table::Row;
    use super::*;

    #[test]
    fn a_row_has_as_many_cells_as_the_table_has_columns() {
        let rate = Rate { rate: 1.0, low: 0.839, high: 1.0, placements: 20 };
        let table = Table {
            id: "t",
            title: "Table".to_owned(),
            caption: "Of a | b.".to_owned(),
            heads: vec!["policy", "H"],
            columns: vec!["a|b".to_owned(), "paper".to_owned()],
            published_columns: 1,
            rows: vec![Row {
                head: vec!["L-BC".to_owned(), "2".to_owned()],
                cells: vec![
                    Cell { published: published::table_3_mean(2), ..Cell::rate(Some(rate)) },
                    Cell::published(None),
                ],
            }],
            notes: vec!["note".to_owned()],
        };
        let page = markdown(&[table]);
        assert!(
            page.contains("| policy | H | a\\|b | paper |\n| --- | --- | --: | --: |\n"),
            "{page}"
        );
        assert!(
            page.contains("| L-BC | 2 | 100.0 [83.9, 100.0] n=20 (paper 87.5) | - |\n"),
            "{page}"
        );
    }
}
