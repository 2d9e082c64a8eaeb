//! The configuration file, and what `jacod --check` finds of the things that it names. What is
//! said of a key goes to the check that the key belongs to.

use super::check::{Check, Report};
use super::child;
use jaco_api::check::{Checked, Finding, Said};
use jaco_config::Config;
use jaco_shell::file::read_configuration;
use jaco_shell::{say, variable};
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

const NAME: &str = "configuration";
/// Cameras get five seconds of it.
const LIMIT: Duration = Duration::from_secs(30);
/// Keys that no other check asks for.
const OWN_KEYS: &[&str] = &["api.socket", "sim.socket"];

/// What the configuration names, as far as it could be looked at.
pub type Named = Result<Checked, String>;

/// Reads the file; none if it cannot be used.
pub fn read(path: &Path, report: &mut Report) -> anyhow::Result<Option<Config>> {
    let name = path.display().to_string();
    let config =
        read_configuration(path).and_then(|bytes| Ok(Config::read(&bytes, &name, &variable)?));
    match config {
        Ok(config) => {
            report.add(Check::ok(NAME, name))?;
            Ok(Some(config))
        }
        Err(error) => {
            let remedy = "put the file right; config/jacod.toml documents every key, --config \
                          names another file";
            report.add(Check::fail(NAME, say::in_full(&error), remedy))?;
            Ok(None)
        }
    }
}

/// Has `jacod --check` look at what the file names.
pub async fn look(path: &Path, cameras: bool) -> Named {
    let words = ["--check", "--json", "--config"].map(OsStr::new);
    let mut words = [&words[..], &[path.as_os_str()]].concat();
    words.extend(cameras.then_some(OsStr::new("--cameras")));
    child::ask("jacod", &words, LIMIT).await
}

/// What is wrong with keys that no other check is about.
pub fn examine(named: &Named, report: &mut Report) -> anyhow::Result<()> {
    if let Err(why) = named {
        return report.add(Check::fail(
            "jacod-check",
            why,
            "jacod itself does not start here: build and install all programs together; for a \
             library that is missing `make setup`, then build again",
        ));
    }
    for finding in OWN_KEYS.iter().filter_map(|key| wrong(named, key)) {
        report.add(fault(&finding.key, finding))?;
    }
    Ok(())
}

/// What is wrong with the thing that `key`, or a key below it, names.
pub fn wrong<'a>(named: &'a Named, key: &str) -> Option<&'a Finding> {
    let findings = &named.as_ref().ok()?.findings;
    findings.iter().find(|finding| finding.said == Said::Wrong && finding.key.starts_with(key))
}

/// That a key names what is not there.
pub fn fault(name: &str, finding: &Finding) -> Check {
    let line = finding.line.map(|line| format!(", line {line}")).unwrap_or_default();
    let remedy = match finding.what.contains("this user may not") {
        true => "look as the user of jacod (`sudo -u jacod jaco doctor`), or give this one the \
                 right to it"
            .to_owned(),
        false => format!("set {} in the configuration{line} to what is there", finding.key),
    };
    Check::fail(name, format!("{}: {}", finding.key, finding.what), remedy)
}
