//! A checkpoint that was made of another one can be loaded wherever that one could.

use jaco_model::checkpoint::{self, inspect, synth};
use jaco_model::{
    Adapter, AdapterConfig, Checkpoint, ImageProcessor, NormStats, OpenVlaConfig, PromptTokenizer,
    load_model,
};
use std::fs;
use tch::{Device, Kind};

#[test]
fn what_no_model_reads_is_taken_over() {
    let root = tempfile::tempdir().unwrap();
    let (base, merged) = (root.path().join("base"), root.path().join("merged"));
    let config = synth::preset("mini").unwrap();
    synth::write(&config, Kind::Float, 1, &base, 2_000_000, &mut |_, _| ()).unwrap();
    let processor = base.join("preprocessor_config.json");
    let text = r#"{"image_processor_type": "PrismaticImageProcessor", "means": null}"#;
    fs::write(&processor, text).unwrap();

    let (variables, _model) = load_model(&base, &config, Device::Cpu, Kind::Float, None).unwrap();
    let shape = AdapterConfig::openvla(2);
    let adapter = Adapter::fresh(shape, &variables, &config, 3).unwrap();
    adapter.merge_into(&variables).unwrap();
    let tokenizer = PromptTokenizer::read(&base.join("tokenizer.json"), &config).unwrap();
    let images = ImageProcessor::read(&processor, 128, config.image_resize_strategy).unwrap();
    let statistics: NormStats = checkpoint::read_statistics(&base, None, &config).unwrap();
    let made = Checkpoint::new(&config, &variables, &tokenizer, &images, &statistics);
    Checkpoint { base: Some(&base), ..made }.save(&merged).unwrap();

    let (before, after) = (inspect(&base).unwrap(), inspect(&merged).unwrap());
    let (before, after) = (before.model.unwrap(), after.model.unwrap());
    assert!(before.dead_parameters > 0, "the base has tensors that nothing reads");
    assert_eq!(
        (after.parameters, after.dead_parameters),
        (before.parameters, before.dead_parameters)
    );
    assert_eq!(fs::read_to_string(merged.join("preprocessor_config.json")).unwrap(), text);
    OpenVlaConfig::read(&merged.join("config.json")).unwrap();
}
