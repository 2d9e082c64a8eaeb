//! Weights files that are damaged, incomplete, doubled or pickled.

use super::load;
use super::reading::divide;
use crate::support::{rewrite, tiny_checkpoint};
use jaco_model::ModelError;
use jaco_model::error::IndexProblem;
use serde_json::Value;
use std::fs;
use std::path::Path;

const INDEX: &str = "model.safetensors.index.json";

#[test]
fn a_truncated_file_is_refused() {
    let dir = tiny_checkpoint();
    let weights = dir.path().join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let whole = bytes.len() as u64;
    for (length, needed) in [(7, 8), (100, header), (whole / 2, whole), (whole - 1, whole)] {
        fs::write(&weights, &bytes[..length as usize]).unwrap();
        let error = load(dir.path()).unwrap_err();
        assert!(
            matches!(&error, ModelError::FileLength { path, wanted, found }
                if *path == weights && *wanted == needed && *found == length),
            "{length} bytes: {error}"
        );
    }
    fs::write(&weights, [&bytes[..], b"!"].concat()).unwrap();
    assert!(matches!(load(dir.path()), Err(ModelError::FileLength { .. })));
}

#[test]
fn a_damaged_header_is_refused() {
    let dir = tiny_checkpoint();
    let weights = dir.path().join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    let mut broken = bytes.clone();
    broken[8] = b'[';
    fs::write(&weights, broken).unwrap();
    assert!(matches!(load(dir.path()), Err(ModelError::Safetensors { .. })));
    let mut endless = bytes;
    endless[7] = 0xff;
    fs::write(&weights, endless).unwrap();
    assert!(matches!(load(dir.path()), Err(ModelError::Safetensors { .. })));
}

#[test]
fn pickles_are_refused_whatever_they_are_called() {
    let dir = tiny_checkpoint();
    let weights = dir.path().join("model.safetensors");
    for bytes in [&b"PK\x03\x04 and so on"[..], b"\x80\x02}q\x00.", b"\x80\x05\x95\x1a\0\0\0\0\0"] {
        fs::write(&weights, bytes).unwrap();
        let error = load(dir.path()).unwrap_err();
        assert!(matches!(&error, ModelError::Pickle { path, .. } if *path == weights), "{error}");
        assert!(error.to_string().contains("safetensors.torch.save_file"), "{error}");
    }
    fs::remove_file(weights).unwrap();
    for name in ["pytorch_model.bin", "model.pt", "model.pth", "model.pkl", "last.ckpt"] {
        let path = dir.path().join(name);
        fs::write(&path, "").unwrap();
        let error = load(dir.path()).unwrap_err();
        assert!(matches!(&error, ModelError::Pickle { path: at, .. } if *at == path), "{error}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn one_file_and_shards_side_by_side_are_refused() {
    let dir = tiny_checkpoint();
    let weights = dir.path().join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    divide(dir.path());
    fs::write(&weights, bytes).unwrap();
    assert!(matches!(load(dir.path()), Err(ModelError::TwoSetsOfWeights { .. })));
}

/// The complaint about shards of which `edit` changed the folder or the index.
fn complaint(edit: impl Fn(&Path, &mut serde_json::Map<String, Value>)) -> (IndexProblem, String) {
    let dir = tiny_checkpoint();
    divide(dir.path());
    let path = dir.path().join(INDEX);
    let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(dir.path(), index["weight_map"].as_object_mut().unwrap());
    fs::write(&path, index.to_string()).unwrap();
    let error = load(dir.path()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(INDEX), "{text}");
    let ModelError::Index { problem, .. } = error else { panic!("{text}") };
    (problem, text)
}

#[test]
fn a_missing_shard_is_named_with_what_it_holds() {
    let (problem, text) = complaint(|dir, _| fs::remove_file(dir.join("b.safetensors")).unwrap());
    let IndexProblem::MissingShard { shard, tensors } = problem else { panic!("{text}") };
    assert_eq!(shard, "b.safetensors");
    assert_eq!(tensors.len(), 27);
    assert!(text.contains("language_model.lm_head.weight") && text.contains("7 more"), "{text}");
}

#[test]
fn index_and_shards_must_agree() {
    let bias = "projector.fc1.bias";
    let (problem, text) = complaint(|_, map| {
        map.remove(bias);
        map.insert("projector.fc9.bias".into(), "b.safetensors".into());
    });
    let IndexProblem::Disagrees { shard, lacking, unlisted } = problem else { panic!("{text}") };
    assert_eq!(shard, "b.safetensors");
    assert_eq!(
        (&lacking[..], &unlisted[..]),
        (&["projector.fc9.bias".to_owned()][..], &[bias.to_owned()][..])
    );

    let (problem, _) = complaint(|dir, _| {
        rewrite(&dir.join("b.safetensors"), |name, stored| (name != bias).then_some(stored));
    });
    assert!(matches!(problem, IndexProblem::Disagrees { lacking, .. } if lacking == [bias]));
    let (problem, _) = complaint(|_, map| map.clear());
    assert_eq!(problem, IndexProblem::Empty);
}

#[test]
fn a_truncated_shard_is_named() {
    let dir = tiny_checkpoint();
    divide(dir.path());
    let shard = dir.path().join("b.safetensors");
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() - 10]).unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(matches!(&error, ModelError::FileLength { path, .. } if *path == shard), "{error}");
}

#[test]
fn shards_lie_beside_their_index() {
    for path in ["../b.safetensors", "/b.safetensors", "sub/b.safetensors", ""] {
        let (problem, text) = complaint(|_, map| {
            map.values_mut().for_each(|shard| *shard = path.into());
        });
        assert!(matches!(problem, IndexProblem::Outside { shard } if shard == path), "{text}");
    }
}
