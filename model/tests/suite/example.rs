//! The example `forward` as a process: its exit codes, and that OUT is whole or not there.

use crate::outputs::compute;
use crate::support::{Tensors, fixtures};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tch::{Kind, Tensor};
use tempfile::TempDir;

/// `cargo test -p jaco-model` builds the example along with the tests; `--test suite` does not.
fn forward(arguments: &[&Path]) -> Output {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples/forward");
    Command::new(&program).args(arguments).output().unwrap_or_else(|error| {
        panic!(
            "{}: {error}; build it in this profile: cargo build -p jaco-model --example forward",
            program.display()
        )
    })
}

struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Asserts exit code 2, `wanted` in what it says, and that the folder is as it was.
    #[track_caller]
    fn assert_refused(&self, arguments: &[&Path], wanted: &str) {
        let names = || {
            let entries = fs::read_dir(self.0.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let before = names();
        let output = forward(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
        assert_eq!(names(), before);
    }
}

fn tiny() -> (PathBuf, PathBuf) {
    let folder = fixtures().join("tiny-openvla");
    let inputs = folder.join("inputs.safetensors");
    (folder, inputs)
}

#[test]
fn the_file_holds_what_is_computed() {
    let (scratch, (folder, inputs)) = (Scratch::new(), tiny());
    let (out, adapter) = (scratch.path("out.safetensors"), folder.join("adapter"));
    let output = forward(&[&folder, &inputs, &out, Path::new("--adapter"), &adapter]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_dir(scratch.0.path()).unwrap().count(), 1);
    let (written, computed) = (Tensors::read(&out), compute(&folder, &inputs, Some(&adapter)));
    let computed = computed.unwrap();
    assert_eq!(computed.keys().len(), 3);
    assert_eq!(written.iter().count(), 3);
    for (name, tensor) in computed {
        assert!(written.get(&name).allclose(&tensor, 1e-5, 1e-5, false), "{name}");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_nothing_is_written() {
    let (scratch, (folder, inputs)) = (Scratch::new(), tiny());
    let odd = fixtures().join("odd-openvla");
    let (out, nothing) = (scratch.path("out.safetensors"), scratch.path("nothing"));
    let weights = folder.join("model.safetensors");
    for (arguments, wanted) in [
        (vec![&folder, &inputs], "usage"),
        (vec![&nothing, &inputs, &out], "config.json"),
        (vec![&folder, &nothing, &out], "not readable as safetensors"),
        // Pictures of another size than the model's.
        (vec![&odd, &inputs, &out], "pixel_values has shape [1, 6, 56, 56]"),
        (vec![&folder, &weights, &out], "there is no tensor input_ids among "),
    ] {
        let arguments: Vec<&Path> = arguments.into_iter().map(PathBuf::as_path).collect();
        scratch.assert_refused(&arguments, wanted);
    }
    let adapter = [&folder, &inputs, &out, Path::new("--adapter"), &nothing];
    scratch.assert_refused(&adapter, "adapter_config.json");
}

#[test]
fn an_output_that_cannot_be_written_leaves_nothing_behind() {
    let (scratch, (folder, inputs)) = (Scratch::new(), tiny());
    let nowhere = scratch.path("nowhere/out.safetensors");
    scratch.assert_refused(&[&folder, &inputs, &nowhere], "cannot write");
    let taken = scratch.path("taken");
    fs::create_dir_all(taken.join("full")).unwrap();
    scratch.assert_refused(&[&folder, &inputs, &taken], "cannot write");
}

/// The inputs of the fixture with some replaced, in a file in `scratch`.
fn altered(scratch: &Scratch, replaced: &[(&str, Tensor)]) -> PathBuf {
    let path = scratch.path("inputs.safetensors");
    let mut tensors = Tensor::read_safetensors(tiny().1).unwrap();
    for (name, tensor) in replaced {
        let place = tensors.iter().position(|(found, _)| found == name).unwrap();
        tensors[place].1 = tensor.shallow_clone();
    }
    Tensor::write_safetensors(&tensors, &path).unwrap();
    path
}

#[test]
fn tensors_that_cannot_be_used_are_named() {
    let (scratch, (folder, inputs)) = (Scratch::new(), tiny());
    let golden = Tensors::read(&inputs);
    let out = scratch.path("out.safetensors");
    let ids = golden.get("batch_input_ids");
    let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Int64, tch::Device::Cpu));
    let with = |name: &str, value: i64| {
        let table = golden.get(name).copy();
        let _last = table.get(0).get(3).fill_(value);
        table
    };
    let of_kind = |name: &str, kind| golden.get(name).to_kind(kind);
    let cases = [
        ("batch_input_ids", zeros(&[]), "batch_input_ids has shape []"),
        ("input_ids", zeros(&[5]), "input_ids has shape [5]"),
        ("batch_input_ids", zeros(&[0, ids.size()[1]]), "batch_input_ids has shape [0, "),
        ("input_ids", zeros(&[1, 0]), "input_ids has shape [1, 0]"),
        ("input_ids", zeros(&[1, 1]), "input_ids has shape [1, 1]"),
        ("input_ids", of_kind("input_ids", Kind::Int), "input_ids has element type Int,"),
        ("input_ids", of_kind("input_ids", Kind::Float), "input_ids has element type Float,"),
        ("input_ids", with("input_ids", 384), "384 of 384 tokens"),
        ("batch_input_ids", with("batch_input_ids", -1), "ids -1..="),
        ("batch_labels", with("batch_labels", 384), "384 of 384 tokens"),
        ("batch_labels", with("batch_labels", -7), "ids -7..="),
        ("batch_labels", zeros(&[2]), "batch_labels has shape [2]"),
        ("batch_labels", zeros(&[1, 9]), "batch_labels has shape [1, 9], the ids"),
        ("batch_labels", ids.full_like(-100), "supervises no token"),
        // One more token than two units have.
        ("batch_labels", with("batch_labels", 70), "row 0 of batch_labels is no stream"),
        (
            "pixel_values",
            of_kind("pixel_values", Kind::Int64),
            "has element type Int64, not a float",
        ),
        ("pixel_values", of_kind("pixel_values", Kind::Bool), "has element type Bool, not a float"),
        ("batch_pixel_values", golden.get("pixel_values").copy(), "has shape [1, 6, 56, 56]"),
    ];
    for (name, tensor, wanted) in cases {
        let inputs = altered(&scratch, &[(name, tensor)]);
        scratch.assert_refused(&[&folder, &inputs, &out], wanted);
    }
    let prompts = golden.get("input_ids").repeat([2, 1]);
    let pictures = golden.get("pixel_values").repeat([2, 1, 1, 1]);
    let inputs = altered(&scratch, &[("input_ids", prompts), ("pixel_values", pictures)]);
    scratch.assert_refused(&[&folder, &inputs, &out], "input_ids has 2 rows");
}

/// Whatever float pictures are stored in, what is computed from them is in float32.
#[test]
fn pictures_may_be_of_any_float() {
    let (scratch, (folder, inputs)) = (Scratch::new(), tiny());
    let plain = compute(&folder, &inputs, None).unwrap();
    let doubled = Tensors::read(&inputs).get("pixel_values").to_kind(Kind::Double);
    let altered = altered(&scratch, &[("pixel_values", doubled)]);
    let altered = compute(&folder, &altered, None).unwrap();
    assert_eq!(altered["logits"].kind(), Kind::Float);
    assert!(altered["logits"].allclose(&plain["logits"], 1e-5, 1e-5, false));
}
