//! `jaco teleop --show-bindings`: what each control of a gamepad does, by a configuration. Neither a
//! daemon nor a pad is needed.

use jaco_cli::teleop::CONFIGURATION;
use jaco_config::teleop::{Binding, Bindings};
use jaco_config::{Config, Teleop};
use jaco_shell::args::Unusable;
use jaco_shell::file::read_configuration;
use jaco_shell::{say, variable};
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// The table, for people and for programs.
#[derive(Serialize)]
struct Shown {
    bindings: Vec<Binding>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = ["function", "control", "on an Xbox pad", "what it does"].map(str::to_owned);
        let rows = self.bindings.iter().map(|row| {
            [row.function.to_owned(), row.control.clone(), row.label.clone(), row.does.to_owned()]
        });
        let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        let lines = rows.iter().map(|[function, control, label, does]| {
            let [a, b, c] = widths;
            format!("{function:a$}  {control:b$}  {label:c$}  {does}")
        });
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

/// Shows the bindings of the configuration that is named, or of the daemon's, or those that are
/// shipped.
pub fn show(config: Option<&Path>, json: bool) -> anyhow::Result<bool> {
    let bindings = match config {
        Some(path) => read(path)?,
        None if Path::new(CONFIGURATION).exists() => read(Path::new(CONFIGURATION))?,
        None => {
            say::aside(format_args!("jaco: there is no {CONFIGURATION}: as it is shipped"));
            Teleop::default().bindings
        }
    };
    say::print(json, &Shown { bindings: bindings.table() })?;
    Ok(true)
}

fn read(path: &Path) -> anyhow::Result<Bindings> {
    let unusable = |error: anyhow::Error| Unusable(say::in_full(&error));
    let bytes = read_configuration(path).map_err(unusable)?;
    let config = Config::read(&bytes, &path.display().to_string(), &variable);
    Ok(config.map_err(|error| unusable(error.into()))?.teleop.bindings)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_function_in_columns() {
        let shown = Shown { bindings: Teleop::default().bindings.table() }.to_string();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 19);
        let column = lines[0].find("what it does").unwrap();
        assert!(lines[1].starts_with("dead_man    RightTrigger"), "{}", lines[1]);
        assert_eq!(
            &lines[1][column..],
            "hold it, or nothing moves; press it with the sticks let go"
        );
        assert!(lines.iter().all(|line| &line[column - 2..column] == "  "), "{shown}");
    }

    #[test]
    fn a_configuration_that_is_wrong_is_a_wrong_command_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jacod.toml");
        std::fs::write(&path, "[teleop.bindings]\ndead_man = \"0\"\n").unwrap();
        let error = read(&path).unwrap_err();
        assert!(Unusable::is_in(&error));
        assert!(error.to_string().contains(":2: teleop.bindings.dead_man"), "{error}");
        assert!(Unusable::is_in(&read(&folder.path().join("none")).unwrap_err()));
    }
}
