//! Every command line of `jaco` that a page shows is one that it takes.

#![allow(clippy::unwrap_used)]

use clap::Parser;
use jaco_cli::Cli;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn pages() -> Vec<(PathBuf, String)> {
    let docs = std::fs::read_dir(Path::new(ROOT).join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    let pages = docs.chain([Path::new(ROOT).join("README.md")]);
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// Command lines in code blocks, continued lines joined, and those quoted whole in a sentence.
fn commands(page: &str) -> Vec<String> {
    let joined = page.replace("\\\n", " ");
    let mut fenced = false;
    let blocks: Vec<&str> = joined
        .lines()
        .filter(|line| {
            fenced ^= line.starts_with("```");
            fenced || line.starts_with("    ")
        })
        .map(str::trim)
        .collect();
    let quoted = joined.split('`').skip(1).step_by(2);
    blocks.into_iter().chain(quoted).filter_map(of_jaco).collect()
}

/// The command line of `jaco` that `line` is, without what the shell makes of its end.
fn of_jaco(line: &str) -> Option<String> {
    let line = line.split(" # ").next()?.split(" | ").next()?.split(" > ").next()?;
    let program = line.split(' ').next()?;
    let is_jaco = program == "jaco" || program.ends_with("/jaco");
    // Dots stand for something else, and dashes are drawings.
    (is_jaco && !line.contains("...") && !line.contains("---"))
        .then(|| line.trim_end_matches(['&', ' ']).to_owned())
}

fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate();
    quoted
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[test]
fn every_command_in_the_docs_is_understood() {
    let mut understood = 0;
    for (path, page) in pages() {
        for command in commands(&page) {
            let mut parsed = Cli::try_parse_from(words(&command));
            if let Err(error) = &parsed {
                let unfinished = [
                    clap::error::ErrorKind::MissingRequiredArgument,
                    clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
                    clap::error::ErrorKind::DisplayHelp,
                ];
                // In a sentence a verb stands for itself.
                if unfinished.contains(&error.kind()) {
                    continue;
                }
                parsed = Cli::try_parse_from(words(&command.replace("VERB ", "status ")));
            }
            match parsed {
                Ok(_) => understood += 1,
                Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {}
                Err(error) => panic!("{}: `{command}`\n{error}", path.display()),
            }
        }
    }
    assert!(understood > 20, "only {understood} commands were found in the pages");
}
