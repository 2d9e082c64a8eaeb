//! Whether a model can be built from a config.json; every refusal names the key, what was found
//! and what would do.

use super::{OpenVlaConfig, TowerConfig, UNIT_TOKENS};
use crate::error::ModelError;
use serde_json::Value;

/// Far beyond the largest models, and small enough that products of two fit 64 bits.
const WIDEST: i64 = 1 << 24;
const DEEPEST: i64 = 4096;

impl OpenVlaConfig {
    /// Whether a model can be built; the error names the key at fault.
    pub fn check(&self) -> Result<(), ModelError> {
        self.check_fixed_keys()?;
        self.check_bounds()?;
        self.check_vision()?;
        self.check_text()?;
        self.check_stream()
    }

    pub(super) fn check_fixed_keys(&self) -> Result<(), ModelError> {
        let Self { arch_specifier: arch, n_action_bins: bins, .. } = Self::default();
        if self.arch_specifier != arch {
            return Err(ModelError::config("arch_specifier", &self.arch_specifier, arch));
        }
        if !self.use_fused_vision_backbone {
            return Err(ModelError::config("use_fused_vision_backbone", false, "must be true"));
        }
        // OpenVLA names the activations of its towers only to replace timm's, and replaces none.
        let overrides = self.rest.get("timm_override_act_layers").and_then(Value::as_array);
        if let Some(found) = overrides.into_iter().flatten().find(|found| !found.is_null()) {
            return Err(ModelError::config("timm_override_act_layers", found, "only null"));
        }
        if self.n_action_bins != bins {
            return Err(ModelError::config("n_action_bins", self.n_action_bins, "must be 256"));
        }
        Ok(())
    }

    /// Sizes so far from any model's that computing with them would overflow.
    pub(super) fn check_bounds(&self) -> Result<(), ModelError> {
        let text = &self.text_config;
        let mut sizes = vec![
            ("image_sizes".to_owned(), self.image_sizes[0].max(self.image_sizes[1]), WIDEST),
            ("pad_to_multiple_of".to_owned(), self.pad_to_multiple_of.saturating_add(1), WIDEST),
        ];
        for (leaf, size, most) in [
            ("vocab_size", text.vocab_size, WIDEST),
            ("hidden_size", text.hidden_size, WIDEST),
            ("intermediate_size", text.intermediate_size, WIDEST),
            ("num_hidden_layers", text.num_hidden_layers, DEEPEST),
            ("num_attention_heads", text.num_attention_heads, WIDEST),
            ("num_key_value_heads", text.key_value_heads(), WIDEST),
            ("max_position_embeddings", text.max_position_embeddings as i64, WIDEST),
        ] {
            sizes.push((format!("text_config.{leaf}"), size, most));
        }
        for (name, tower) in self.towers().named() {
            for (leaf, size, most) in [
                ("embed_dim", tower.embed_dim, WIDEST),
                ("num_heads", tower.num_heads, WIDEST),
                ("mlp_hidden", tower.mlp_hidden, WIDEST),
                ("patch_size", tower.patch_size, WIDEST),
                ("depth", tower.depth, DEEPEST),
                ("reg_tokens", tower.reg_tokens.saturating_add(1), WIDEST),
            ] {
                sizes.push((format!("vision.{name}.{leaf}"), size, most));
            }
        }
        for (key, size, most) in sizes {
            if !(1..=most).contains(&size) {
                return Err(ModelError::config(key, size, format!("must be in 1..={most}")));
            }
        }
        Ok(())
    }

    fn check_vision(&self) -> Result<(), ModelError> {
        let [size, other] = self.image_sizes;
        if size != other {
            let found = format!("[{size}, {other}]");
            return Err(ModelError::config("image_sizes", found, "two equal sizes"));
        }
        let published = [TowerConfig::DINOV2_LARGE, TowerConfig::SIGLIP_SO400M];
        for (id, tower) in self.timm_model_ids.iter().zip(published) {
            if self.vision.is_none() && TowerConfig::by_timm_id(id) != Some(tower) {
                let wanted = "unknown here; give the sizes under `vision`";
                return Err(ModelError::config("timm_model_ids", id, wanted));
            }
        }
        let towers = self.towers();
        for (name, tower) in towers.named() {
            let key = |leaf: &str| format!("vision.{name}.{leaf}");
            if tower.depth < 2 {
                let wanted = "at least 2: the last block is never run";
                return Err(ModelError::config(key("depth"), tower.depth, wanted));
            }
            divides(&key("num_heads"), tower.num_heads, "embed_dim", tower.embed_dim)?;
            divides(&key("patch_size"), tower.patch_size, "image_sizes", size)?;
        }
        let (first, second) = (towers.featurizer, towers.fused_featurizer);
        if first.patch_size != second.patch_size {
            return Err(ModelError::config(
                "vision.fused_featurizer.patch_size",
                second.patch_size,
                format!("must equal the featurizer's {}", first.patch_size),
            ));
        }
        Ok(())
    }

    fn check_text(&self) -> Result<(), ModelError> {
        let text = &self.text_config;
        let key = |leaf: &str| format!("text_config.{leaf}");
        for (leaf, value) in [("rms_norm_eps", text.rms_norm_eps), ("rope_theta", text.rope_theta)]
        {
            if !(value.is_finite() && value > 0.0) {
                return Err(ModelError::config(key(leaf), value, "must be positive and finite"));
            }
        }
        let (heads, groups) = (text.num_attention_heads, text.key_value_heads());
        divides(&key("num_attention_heads"), heads, "hidden_size", text.hidden_size)?;
        divides(&key("num_key_value_heads"), groups, "num_attention_heads", heads)?;
        if text.head_dim() % 2 != 0 {
            let wanted = format!("hidden_size / num_attention_heads = {} is odd", text.head_dim());
            return Err(ModelError::config(key("num_attention_heads"), heads, wanted));
        }
        Ok(())
    }

    fn check_stream(&self) -> Result<(), ModelError> {
        let (base, text, stream) = (self.base_vocab(), &self.text_config, &self.action_stream);
        if base <= self.n_action_bins {
            let wanted = format!("more than pad_to_multiple_of + {} rows", self.n_action_bins);
            return Err(ModelError::config("text_config.vocab_size", text.vocab_size, wanted));
        }
        let actions = base - self.n_action_bins..base;
        let context = [
            ("text_config.bos_token_id", Some(text.bos_token_id)),
            ("action_stream.separator_token_id", Some(stream.separator_token_id)),
            ("action_stream.prompt_suffix_token_id", stream.prompt_suffix_token_id),
        ];
        for (key, id) in context {
            if let Some(id) =
                id.filter(|id| *id < 0 || *id >= text.vocab_size || actions.contains(id))
            {
                let wanted = format!(
                    "an id below {} outside the action tokens {}..={}",
                    text.vocab_size,
                    actions.start,
                    actions.end - 1
                );
                return Err(ModelError::config(key, id, wanted));
            }
        }
        // The shortest prompt: the BOS token alone.
        let shortest = 1 + self.patches() as usize;
        let longest = text.max_position_embeddings.saturating_sub(shortest) / UNIT_TOKENS;
        if stream.horizon == 0 || stream.horizon > longest {
            let wanted = format!(
                "1 to {longest} units fit {} positions beside the patches",
                text.max_position_embeddings
            );
            return Err(ModelError::config("action_stream.horizon", stream.horizon, wanted));
        }
        Ok(())
    }
}

fn divides(key: &str, divisor: i64, of: &str, value: i64) -> Result<(), ModelError> {
    if value % divisor == 0 {
        return Ok(());
    }
    Err(ModelError::config(key, divisor, format!("must divide {of} = {value}")))
}
