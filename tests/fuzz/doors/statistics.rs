//! Door: dataset_statistics.json. Every entry is chosen in turn; one that is taken decodes every
//! bin to a finite action, one that is not is refused in words.

use super::promise;
use super::workshop::Workshop;
use jaco_core::{ActionCodec, ActionUnit};
use jaco_model::ModelError;
use jaco_model::checkpoint::{STATISTICS_FILE, read_statistics};
use std::cell::LazyCell;

thread_local! {
    static WORKSHOP: LazyCell<Workshop> = LazyCell::new(Workshop::new);
}

pub fn open(data: &[u8]) {
    WORKSHOP.with(|workshop| {
        let folder = workshop.clear();
        workshop.put(STATISTICS_FILE, data);
        let refused = |error: &ModelError| {
            promise::is_for_people(&promise::in_full(error), data);
        };
        let statistics = match read_statistics(folder, None, &workshop.config) {
            Ok(statistics) => statistics,
            Err(error) => return refused(&error),
        };
        let names = statistics.datasets().map(Some).chain([None, Some("absent")]);
        for name in names {
            let chosen = match statistics.choose(name) {
                Ok(chosen) => chosen,
                Err(error) => {
                    refused(&error);
                    continue;
                }
            };
            let codec = match ActionCodec::new(chosen) {
                Ok(codec) => codec,
                Err(error) => panic!("chosen, and then unusable: {error}"),
            };
            for bin in 1..=256 {
                let action = codec.decode(&ActionUnit([bin; 7]));
                assert!(action.is_finite(), "{chosen:?} decodes bin {bin} to {action:?}");
            }
        }
    });
}
