//! Recorded inputs, read and checked, so that what computes with them need not doubt them.
//!
//! Must never run a model.

use anyhow::{Context, ensure};
use jaco_model::OpenVlaConfig;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Kind, Tensor};

/// Label of a token that is not supervised.
pub const IGNORED: i64 = -100;
/// Names that an error shows of a file with the wrong ones.
const SHOWN_NAMES: usize = 8;

/// What a checkpoint is run on.
pub struct Inputs {
    /// One picture and prompt.
    pub prompt: Examples,
    /// Pictures and texts with answers, padded on the right.
    pub batch: Examples,
    /// What the batch should answer, \[B, L\]: token ids, or [`IGNORED`].
    pub batch_labels: Tensor,
}

/// Pictures and as many texts.
pub struct Examples {
    /// \[B, 6, S, S\], float32.
    pub pixel_values: Tensor,
    /// \[B, T\] with T > 1, ids of the vocabulary.
    pub input_ids: Tensor,
}

impl Inputs {
    /// Reads what is at `path` for a model of `config`.
    pub fn read(path: &Path, config: &OpenVlaConfig) -> anyhow::Result<Self> {
        let tensors = Tensor::read_safetensors(path)
            .with_context(|| format!("{}: not readable as safetensors", path.display()))?;
        let file = File { tensors: tensors.into_iter().collect(), config };
        file.inputs().with_context(|| path.display().to_string())
    }
}

struct File<'a> {
    tensors: BTreeMap<String, Tensor>,
    config: &'a OpenVlaConfig,
}

impl File<'_> {
    fn inputs(&self) -> anyhow::Result<Inputs> {
        let prompt = self.examples("pixel_values", "input_ids")?;
        let rows = prompt.input_ids.size()[0];
        ensure!(rows == 1, "input_ids has {rows} rows, only one prompt is decoded");
        let batch = self.examples("batch_pixel_values", "batch_input_ids")?;
        let batch_labels = self.labels("batch_labels", &batch.input_ids)?;
        Ok(Inputs { prompt, batch, batch_labels })
    }

    fn examples(&self, pixels: &str, ids: &str) -> anyhow::Result<Examples> {
        let input_ids = self.integers(ids)?;
        self.check_ids(ids, &input_ids)?;
        Ok(Examples { pixel_values: self.pictures(pixels, input_ids.size()[0])?, input_ids })
    }

    fn named(&self, name: &str) -> anyhow::Result<&Tensor> {
        self.tensors.get(name).with_context(|| {
            let names: Vec<&str> =
                self.tensors.keys().map(String::as_str).take(SHOWN_NAMES).collect();
            let (count, names) = (self.tensors.len(), names.join(", "));
            format!("there is no tensor {name} among the {count} of the file: {names}, ...")
        })
    }

    fn pictures(&self, name: &str, rows: i64) -> anyhow::Result<Tensor> {
        let (pictures, size) = (self.named(name)?, self.config.image_size());
        let (found, wanted) = (pictures.size(), [rows, 6, size, size]);
        ensure!(found == wanted, "{name} has shape {found:?}, not {wanted:?}");
        let kind = pictures.f_kind()?;
        let floats = [Kind::Float, Kind::Double, Kind::Half, Kind::BFloat16];
        ensure!(floats.contains(&kind), "{name} has element type {kind:?}, not a float");
        Ok(pictures.f_to_kind(Kind::Float)?)
    }

    /// A table of integers with a row at least and two columns.
    fn integers(&self, name: &str) -> anyhow::Result<Tensor> {
        let table = self.named(name)?;
        let (shape, kind) = (table.size(), table.f_kind()?);
        ensure!(
            matches!(shape[..], [rows, columns] if rows > 0 && columns > 1),
            "{name} has shape {shape:?}, not [rows, at least 2]"
        );
        ensure!(kind == Kind::Int64, "{name} has element type {kind:?}, not I64");
        Ok(table.shallow_clone())
    }

    fn check_ids(&self, name: &str, ids: &Tensor) -> anyhow::Result<()> {
        let vocab = self.config.text_config.vocab_size;
        let (low, high) = (ids.f_min()?.f_int64_value(&[])?, ids.f_max()?.f_int64_value(&[])?);
        ensure!(low >= 0 && high < vocab, "{name} has ids {low}..={high} of {vocab} tokens");
        Ok(())
    }

    fn labels(&self, name: &str, ids: &Tensor) -> anyhow::Result<Tensor> {
        let labels = self.integers(name)?;
        let (found, wanted) = (labels.size(), ids.size());
        ensure!(found == wanted, "{name} has shape {found:?}, the ids {wanted:?}");
        self.check_ids(name, &labels.f_masked_fill(&labels.f_eq(IGNORED)?, 0)?)?;
        // Nothing predicts a text's first token.
        let answers = labels.f_narrow(1, 1, labels.size2()?.1 - 1)?;
        let supervised = answers.f_ne(IGNORED)?.f_any()?.f_int64_value(&[])? != 0;
        ensure!(supervised, "{name} supervises no token after the first");
        Ok(labels)
    }
}
