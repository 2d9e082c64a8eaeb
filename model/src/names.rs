//! Names of the files in a checkpoint folder.

/// The file of sizes and token ids.
pub const CONFIG_FILE: &str = "config.json";
/// The tokenizer of the prompt.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// What transformers does to the tokenizer beside its file; may be absent.
pub const TOKENIZER_CONFIG_FILE: &str = "tokenizer_config.json";
/// How transformers would choose tokens; may be absent.
pub const GENERATION_FILE: &str = "generation_config.json";
/// The constants of the image processor; may be absent.
pub const PROCESSOR_FILE: &str = "preprocessor_config.json";
/// All processors of a model, as transformers 5 writes them; may be absent.
pub const JOINT_PROCESSOR_FILE: &str = "processor_config.json";
/// Action statistics; they override those of config.json; may be absent.
pub const STATISTICS_FILE: &str = "dataset_statistics.json";
/// The weights, if they are in one file.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// Which file holds which tensor, if the weights are in several.
pub const INDEX_FILE: &str = "model.safetensors.index.json";
