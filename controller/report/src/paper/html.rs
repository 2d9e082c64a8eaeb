//! The report as one page: no script, no other file, pictures inside. Readable on a screen and on
//! paper. What stands on it is the caller's business.

use super::table::{Cell, Table};
use std::fmt::Write;

/// A picture of the page.
pub struct Picture {
    /// Name within the page.
    pub id: String,
    /// What stands below it.
    pub caption: String,
    /// The picture (PNG).
    pub png: Vec<u8>,
}

/// A part of the page.
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Names and what they are.
    Facts(Vec<(String, String)>),
    /// A table.
    Table(Table),
    /// A picture.
    Picture(Picture),
}

/// A chapter of the page.
pub struct Section {
    /// Name within the page.
    pub id: &'static str,
    /// Its title.
    pub title: String,
    /// What is in it.
    pub blocks: Vec<Block>,
}

const STYLE: &str = "\
:root{color-scheme:light}\
body{font:16px/1.5 system-ui,'Liberation Sans',sans-serif;color:#101018;background:#fff;\
max-width:1240px;margin:2em auto;padding:0 1.2em}\
h1{font-size:1.9em;margin:0 0 .2em}h2{font-size:1.4em;margin:2.2em 0 .4em;\
border-bottom:2px solid #0072b2;padding-bottom:.15em}h3{font-size:1.08em;margin:1.6em 0 .2em}\
p{max-width:60em}.lead{color:#60606a}nav ol{columns:2;padding-left:1.4em}nav a{color:#0072b2}\
table{border-collapse:collapse;font-size:.86em;margin:.5em 0}\
th,td{padding:.28em .6em;text-align:right;vertical-align:top;border-bottom:1px solid #e4e4e9}\
thead th{border-bottom:2px solid #60606a;vertical-align:bottom}\
th.head,td.head{text-align:left;white-space:nowrap}td.new,th.new{border-top:1px solid #60606a}\
td small{display:block;color:#60606a;white-space:nowrap}td.paper,th.paper{background:#f4f4f7}\
td em{display:block;font-style:normal;color:#0072b2;white-space:nowrap}td.empty{color:#8a8a94}\
.wide{overflow-x:auto}.caption{color:#40404a;font-size:.92em;margin:.2em 0}\
.notes{color:#60606a;font-size:.86em;margin:.3em 0 0;padding-left:1.2em}\
figure{margin:1.2em 0}figure img{max-width:100%;height:auto;border:1px solid #e4e4e9}\
figcaption{color:#40404a;font-size:.92em}dl{display:grid;grid-template-columns:max-content 1fr;\
gap:.15em 1em}dt{color:#60606a}dd{margin:0;overflow-wrap:anywhere}\
@media print{body{max-width:none;margin:0;font-size:10pt}nav{break-after:page}\
table,figure{break-inside:avoid}.wide{overflow:visible}table{font-size:6.6pt}th,td{padding:.2em .3em}\
h2,h3{break-after:avoid}}";

/// The page.
pub fn page(title: &str, lead: &str, sections: &[Section]) -> String {
    let mut html = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut html, title, lead, sections);
    html
}

fn write_page(
    html: &mut String,
    title: &str,
    lead: &str,
    sections: &[Section],
) -> std::fmt::Result {
    let (title, lead) = (escaped(title), escaped(lead));
    writeln!(html, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(html, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(html, "<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>")?;
    writeln!(html, "<h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n<nav>\n<ol>")?;
    for Section { id, title, .. } in sections {
        writeln!(html, "<li><a href=\"#{id}\">{}</a></li>", escaped(title))?;
    }
    writeln!(html, "</ol>\n</nav>")?;
    for Section { id, title, blocks } in sections {
        writeln!(html, "<section id=\"{id}\">\n<h2>{}</h2>", escaped(title))?;
        blocks.iter().try_for_each(|block| write_block(html, block))?;
        writeln!(html, "</section>")?;
    }
    writeln!(html, "</body>\n</html>")
}

fn write_block(html: &mut String, block: &Block) -> std::fmt::Result {
    match block {
        Block::Text(text) => writeln!(html, "<p>{}</p>", escaped(text)),
        Block::Facts(facts) => {
            writeln!(html, "<dl>")?;
            for (name, what) in facts {
                writeln!(html, "<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(what))?;
            }
            writeln!(html, "</dl>")
        }
        Block::Table(table) => write_table(html, table),
        Block::Picture(Picture { id, caption, png }) => {
            let caption = escaped(caption);
            write!(html, "<figure id=\"{}\">\n<img alt=\"{caption}\" ", escaped(id))?;
            writeln!(html, "src=\"data:image/png;base64,{}\">", base64(png))?;
            writeln!(html, "<figcaption>{caption}</figcaption>\n</figure>")
        }
    }
}

fn write_table(html: &mut String, table: &Table) -> std::fmt::Result {
    writeln!(html, "<h3 id=\"{}\">{}</h3>", table.id, escaped(&table.title))?;
    writeln!(html, "<p class=\"caption\">{}</p>", escaped(&table.caption))?;
    if !table.rows.is_empty() {
        writeln!(html, "<div class=\"wide\">\n<table>\n<thead>\n<tr>")?;
        for head in &table.heads {
            writeln!(html, "<th class=\"head\">{}</th>", escaped(head))?;
        }
        let ours = table.columns.len() - table.published_columns;
        let class = |column: usize| if column < ours { "" } else { "paper" };
        for (column, name) in table.columns.iter().enumerate() {
            writeln!(html, "<th class=\"{}\">{}</th>", class(column), escaped(name))?;
        }
        writeln!(html, "</tr>\n</thead>\n<tbody>")?;
        let mut before: &[String] = &[];
        for row in &table.rows {
            // What stands in the row above is not said again.
            let same = row.head.iter().zip(before).take_while(|(a, b)| a == b).count();
            let new = if same == 0 { " new" } else { "" };
            writeln!(html, "<tr>")?;
            for (column, head) in row.head.iter().enumerate() {
                let word = if column < same { String::new() } else { escaped(head) };
                writeln!(html, "<td class=\"head{new}\">{word}</td>")?;
            }
            for (column, cell) in row.cells.iter().enumerate() {
                let empty = if cell.text() == "not tried" { " empty" } else { "" };
                let class = class(column);
                writeln!(html, "<td class=\"{class}{new}{empty}\">{}</td>", inside(cell))?;
            }
            writeln!(html, "</tr>")?;
            before = &row.head;
        }
        writeln!(html, "</tbody>\n</table>\n</div>")?;
    }
    if !table.notes.is_empty() {
        writeln!(html, "<ul class=\"notes\">")?;
        for note in &table.notes {
            writeln!(html, "<li>{}</li>", escaped(note))?;
        }
        writeln!(html, "</ul>")?;
    }
    Ok(())
}

fn inside(cell: &Cell) -> String {
    let mut inside = escaped(&cell.text());
    let small = cell.small();
    if !small.is_empty() {
        inside += &format!("<small>{}</small>", escaped(&small));
    }
    if let Some(words) = cell.beside() {
        inside += &format!("<em>{}</em>", escaped(&words));
    }
    inside
}

/// Text as it may stand in an element or an attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// Bytes as base64 (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xFB, 0xFF, 0xFE]), "+//+");
    }

    #[test]
    fn no_text_can_break_out_of_the_page() {
        let nasty = "</title><script>\"'&";
        let facts = Block::Facts(vec![(nasty.to_owned(), nasty.to_owned())]);
        let picture = Picture { id: nasty.to_owned(), caption: nasty.to_owned(), png: vec![1] };
        let blocks = vec![Block::Text(nasty.to_owned()), facts, Block::Picture(picture)];
        let html = page(nasty, nasty, &[Section { id: "a", title: nasty.to_owned(), blocks }]);
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("</title>").count(), 1);
        assert!(html.contains("&lt;/title&gt;&lt;script&gt;&quot;&#39;&amp;"));
    }
}
