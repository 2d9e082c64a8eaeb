//! Door: the configuration file. A good one survives being written and read again; a faulty one
//! is refused with a line for each fault.

use super::promise;
use jaco_config::Config;
use std::str::from_utf8;

pub fn open(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    match Config::parse(text, "j.toml") {
        Ok(config) => {
            assert_eq!(config.arm.limits.validate(), Ok(()));
            assert!(config.camera(&config.policy.camera).is_some());
            let written = toml::to_string(&config).expect("a configuration is TOML");
            let again = Config::parse(&written, "again.toml");
            assert_eq!(again.as_ref(), Ok(&config), "{written}");
        }
        Err(error) => {
            let message = error.to_string();
            promise::is_for_people(&message, data);
            assert_eq!(message.lines().count(), error.problems.len(), "{message}");
            let lines = 1 + text.matches('\n').count();
            for problem in &error.problems {
                assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{message}");
                assert!(!problem.fault.to_string().trim().is_empty(), "{message}");
            }
        }
    }
}
