//! Which dataset's statistics decode.

use super::load;
use crate::support::{ONE_DATASET, tiny_checkpoint};
use jaco_model::{LoadOptions, ModelError, OpenVlaPolicy, Policy};
use std::fs;
use std::path::Path;
use tch::Device;

fn load_statistics(dir: &Path, key: Option<&str>) -> Result<OpenVlaPolicy, ModelError> {
    let options = LoadOptions { statistics: key, ..LoadOptions::plain(Device::Cpu) };
    OpenVlaPolicy::load_with(dir, &options)
}

#[test]
fn the_dataset_of_the_statistics_must_be_clear() {
    let dir = tiny_checkpoint();
    let file = dir.path().join("dataset_statistics.json");
    assert_eq!(load(dir.path()).unwrap().statistics().q99[0], 0.02, "overrides config.json");
    let error = load_statistics(dir.path(), Some("kitchen")).unwrap_err();
    assert!(error.to_string().contains("\"kitchen\"") && error.to_string().contains("table"));
    assert!(matches!(error, ModelError::UnknownStatistics { .. }));

    // config.json has two data sets.
    fs::remove_file(&file).unwrap();
    let error = load(dir.path()).unwrap_err();
    let ModelError::AmbiguousStatistics { available } = &error else { panic!("{error}") };
    assert_eq!(*available, ["fixture_a", "fixture_nomask"]);
    let chosen = load_statistics(dir.path(), Some("fixture_nomask")).unwrap().statistics();
    assert_eq!((chosen.q99[6], chosen.mask), (7.0, [true; 7]));
    let chosen = load_statistics(dir.path(), Some("fixture_a")).unwrap().statistics();
    assert_eq!((chosen.q01[0], chosen.mask[6]), (-0.75, false));

    fs::write(&file, "{}").unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(matches!(error, ModelError::NoStatistics { .. }), "{error}");
    fs::write(&file, ONE_DATASET.replace("[0.02, 0.02,", "[0.02, -0.03,")).unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(
        matches!(&error, ModelError::BadStatistics { key, source, .. }
            if key == "table" && source.dimension == 1),
        "{error}"
    );
    fs::write(&file, "{\"table\": {}}").unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(
        matches!(&error, ModelError::MissingKey { file: named, key, .. }
            if *named == file && key == "table.action"),
        "{error}"
    );
}
