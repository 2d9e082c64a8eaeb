//! Door: an adapter's folder, on an invented checkpoint. It is told what it holds and put beside
//! the weights, or refused in words; the weights stay as they are.
//!
//! Input: parts (see `parts`): `a` adapter_config.json, `h` the header of
//! adapter_model.safetensors or `w` that file whole, `s` statistics beside them.

use super::workshop::Workshop;
use super::{parts, promise};
use jaco_model::checkpoint::inspect;
use jaco_model::{Adapter, ModelError, OpenVla, load_model};
use std::cell::RefCell;
use tch::nn::VarStore;
use tch::{Device, Kind};

struct Base {
    workshop: Workshop,
    variables: VarStore,
    model: OpenVla,
}

thread_local! {
    static BASE: RefCell<Base> = RefCell::new({
        let workshop = Workshop::new();
        let loaded =
            load_model(&workshop.checkpoint, &workshop.config, Device::Cpu, Kind::Float, None);
        let (variables, model) = loaded.expect("an invented checkpoint loads");
        Base { workshop, variables, model }
    });
}

pub fn open(data: &[u8]) {
    BASE.with_borrow_mut(|base| {
        base.workshop.clear();
        for (letter, content) in parts::of(data) {
            match letter {
                b'a' => base.workshop.put("adapter_config.json", content),
                b'w' => base.workshop.put("adapter_model.safetensors", content),
                b'h' => {
                    base.workshop.put("adapter_model.safetensors", &parts::safetensors(content));
                }
                b's' => base.workshop.put("dataset_statistics.json", content),
                _ => {}
            }
        }
        if let Err(error) = judge(base, data) {
            promise::is_for_people(&promise::in_full(&error), data);
        }
    });
}

fn judge(base: &mut Base, data: &[u8]) -> Result<(), ModelError> {
    let folder = &base.workshop.bench;
    match inspect(folder) {
        Ok(inspection) => promise::is_for_people(&inspection.to_string(), data),
        Err(error) => promise::is_for_people(&promise::in_full(&error), data),
    }
    let adapter = Adapter::read(folder, &base.workshop.config, &base.variables)?;
    assert!(adapter.modules.values().all(|pair| pair.scale.is_finite()), "a scale that is none");
    base.model.set_adapter(Some(&adapter))?;
    base.model.set_adapter(None)?;
    Ok(())
}
