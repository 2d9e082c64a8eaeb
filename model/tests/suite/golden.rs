//! The reference's golden folders, whole: everything that the example `forward` computes, and
//! gradients, with the adapter on and off.

use crate::outputs::{Outputs, compute};
use crate::support::{Tensors, fixtures, tensors_of};
use jaco_model::{Adapter, LoraPair, OpenVla, OpenVlaConfig, checkpoint};
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

const FOLDERS: [&str; 2] = ["tiny-openvla", "odd-openvla"];
/// Gradients that each folder holds: all that there are, and some of every part.
const GRADIENTS: [usize; 2] = [75, 41];
/// The reference ran the same kernels in another order of operations.
const TOLERANCE: f64 = 1e-4;

fn assert_as_expected(folder: &Path, found: &Outputs, expected: &Tensors) {
    let inputs = Tensors::read(&folder.join("inputs.safetensors"));
    for (name, expected) in expected.iter().filter(|(name, _)| !name.starts_with("grad.")) {
        let found = found.get(name).unwrap_or_else(|| panic!("{name} is not computed"));
        assert_eq!(found.size(), expected.size(), "{name}");
        assert_eq!(found.kind(), expected.kind(), "{name}");
        let mut difference = (found - expected).abs().to_kind(Kind::Double);
        if name == "batch_logits" {
            // Rows of padding mean nothing; the patches' rows come after the first token's.
            let text = inputs.get("batch_attention_mask").to_kind(Kind::Double);
            let patches = expected.size()[1] - text.size()[1];
            let seen = text.narrow(1, 0, 1).repeat([1, patches]);
            let mask = Tensor::cat(
                &[text.narrow(1, 0, 1), seen, text.narrow(1, 1, text.size()[1] - 1)],
                1,
            );
            difference *= mask.unsqueeze(2);
        }
        let difference = difference.max().double_value(&[]);
        let tolerance = if expected.kind() == Kind::Int64 { 0.0 } else { TOLERANCE };
        assert!(difference <= tolerance, "{}: {name} differs by {difference}", folder.display());
    }
}

#[test]
fn everything_that_the_reference_computes_is_the_same() {
    for name in FOLDERS {
        let folder = fixtures().join(name);
        let found = compute(&folder, &folder.join("inputs.safetensors"), None).unwrap();
        let expected = Tensors::read(&folder.join("expected.safetensors"));
        assert!(expected.iter().count() >= 20, "{name}: the fixture lacks tensors");
        assert_as_expected(&folder, &found, &expected);
    }
}

#[test]
fn an_adapter_acts_as_in_the_reference() {
    for name in FOLDERS {
        let folder = fixtures().join(name);
        let adapter = folder.join("adapter");
        let inputs = folder.join("inputs.safetensors");
        let found = compute(&folder, &inputs, Some(&adapter)).unwrap();
        let expected = Tensors::read(&adapter.join("expected.safetensors"));
        assert_as_expected(&folder, &found, &expected);
    }
}

struct Golden {
    folder: PathBuf,
    config: OpenVlaConfig,
    variables: VarStore,
    model: OpenVla,
}

fn load(name: &str, frozen: bool) -> Golden {
    let folder = fixtures().join(name);
    let config = OpenVlaConfig::read(&folder.join("config.json")).unwrap();
    let build = if frozen { OpenVla::build_frozen } else { OpenVla::build };
    let (variables, model) = build(&config, Device::Cpu, Kind::Float).unwrap();
    checkpoint::read_weights(&folder, &config, &variables).unwrap();
    Golden { folder, config, variables, model }
}

/// Mean over all supervised tokens of the batch.
fn batch_loss(golden: &Golden) -> Tensor {
    let inputs = Tensors::read(&golden.folder.join("inputs.safetensors"));
    let (ids, labels) = (inputs.get("batch_input_ids"), inputs.get("batch_labels"));
    let logits = golden.model.forward_train(inputs.get("batch_pixel_values"), ids).unwrap();
    let tokens = ids.size()[1] - 1;
    let predictions = logits.narrow(1, golden.config.patches(), tokens).flatten(0, 1);
    predictions.cross_entropy_loss::<Tensor>(
        &labels.narrow(1, 1, tokens).flatten(0, 1),
        None,
        tch::Reduction::Mean,
        -100,
        0.0,
    )
}

#[track_caller]
fn assert_gradient(name: &str, found: &Tensor, expected: &Tensor) {
    let difference = (found - expected).abs().max().double_value(&[]);
    let size = expected.abs().max().double_value(&[]).max(1e-3);
    assert!(difference <= TOLERANCE * size, "{name}: {difference} of {size}");
}

#[test]
fn gradients_are_the_same() {
    for (name, count) in FOLDERS.into_iter().zip(GRADIENTS) {
        let golden = load(name, false);
        batch_loss(&golden).backward();
        let ours = golden.variables.variables();
        let expected = tensors_of(&golden.folder.join("expected_grads.safetensors"));
        assert_eq!(expected.len(), count, "{name}: the fixture lacks gradients");
        for (name, expected) in &expected {
            assert_gradient(name, &ours[name].grad(), expected);
        }
    }
}

/// An adapter that is trained acts on fused weights, and its gradients are those of PEFT.
#[test]
fn gradients_of_an_adapter_are_the_same() {
    for name in FOLDERS {
        let mut golden = load(name, true);
        let folder = golden.folder.join("adapter");
        let adapter = Adapter::read(&folder, &golden.config, &golden.variables).unwrap();
        for LoraPair { a, b, .. } in adapter.modules.values() {
            let _trained = (a.set_requires_grad(true), b.set_requires_grad(true));
        }
        golden.model.set_adapter(Some(&adapter)).unwrap();
        batch_loss(&golden).backward();
        let mut compared = 0;
        for (name, expected) in tensors_of(&folder.join("expected.safetensors")) {
            let Some(name) = name.strip_prefix("grad.base_model.model.") else { continue };
            let (module, factor) = name.split_once(".lora_").unwrap();
            let Some(pair) = adapter.modules.get(module) else {
                // What nothing reads gets no gradient.
                assert_eq!(expected.abs().max().double_value(&[]), 0.0, "{name}");
                continue;
            };
            let ours = if factor.starts_with('A') { &pair.a } else { &pair.b };
            assert_gradient(name, &ours.grad(), &expected);
            compared += 1;
        }
        assert!(compared >= 40, "{compared} gradients were compared");
    }
}

/// Acting beside the weights, added into them, exchanged and taken away again: the base is what
/// it was, without being read again.
#[test]
fn adapters_come_and_go() {
    for name in FOLDERS {
        let mut golden = load(name, true);
        let adapter =
            Adapter::read(&golden.folder.join("adapter"), &golden.config, &golden.variables)
                .unwrap();
        let loss = |golden: &Golden| batch_loss(golden).double_value(&[]);
        let base = loss(&golden);
        golden.model.set_adapter(Some(&adapter)).unwrap();
        let live = loss(&golden);
        assert!((live - base).abs() > 1e-2, "the adapter does something: {base} {live}");
        golden.model.set_adapter(None).unwrap();
        assert_eq!(loss(&golden), base);
        adapter.merge_into(&golden.variables).unwrap();
        let merged = loss(&golden);
        assert!((merged - live).abs() < TOLERANCE, "{merged} {live}");
    }
}
