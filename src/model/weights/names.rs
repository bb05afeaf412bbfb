//! Hugging Face's names and shapes of VideoMAE's parameters, and the other names that files in the wild give them.
//!
//! Comes in: a configuration, or the path of a field in [`VideoMae`](crate::model::classifier::VideoMae) or in
//! [`PretrainingModel`](crate::model::pretraining::PretrainingModel). Goes out: names and shapes. Never holds a value.

use crate::model::config::VideoMaeConfig;
use crate::model::pretraining::config::DecoderConfig;

const PATCHES: &str = "videomae.embeddings.patch_embeddings.projection";

/// A parameter's name and its shape in PyTorch's layout.
pub type Named = (String, Vec<usize>);

/// Every parameter of `VideoMAEForVideoClassification`, sorted by name.
pub fn expected(config: &VideoMaeConfig) -> Vec<Named> {
    let (width, labels) = (config.hidden_size, config.id2label.len());
    let mut expected = encoder(config);
    expected.extend(both("classifier", vec![labels, width], labels));
    if config.use_mean_pooling {
        expected.extend(both("fc_norm", vec![width], width));
    }
    expected.sort();
    expected
}

/// Every parameter of `VideoMAEForPreTraining`, sorted by name.
pub fn expected_for_pretraining(config: &VideoMaeConfig, decoder: &DecoderConfig) -> Vec<Named> {
    let (width, values) = (decoder.hidden_size, config.tubelet_values());
    let mut expected = encoder(config);
    let layers = decoder.layers(config);
    (0..decoder.num_hidden_layers).for_each(|index| expected.extend(of_layer(&decoder_layer(index), &layers)));
    expected.extend(both("decoder.norm", vec![width], width));
    expected.extend(both("decoder.head", vec![values, width], values));
    expected.push(("encoder_to_decoder.weight".into(), vec![width, config.hidden_size]));
    expected.push(("mask_token".into(), vec![1, 1, width]));
    expected.sort();
    expected
}

/// `VideoMAEModel`'s, under `videomae.`.
fn encoder(config: &VideoMaeConfig) -> Vec<Named> {
    let width = config.hidden_size;
    let [height, columns] = config.patch_size.height_width();
    let mut expected: Vec<Named> =
        both(PATCHES, vec![width, config.num_channels, config.tubelet_size, height, columns], width).into();
    if !config.use_mean_pooling {
        expected.extend(both("videomae.layernorm", vec![width], width));
    }
    (0..config.num_hidden_layers).for_each(|index| expected.extend(of_layer(&layer(&index.to_string()), config)));
    expected
}

/// A layer's, where `config` has the layer's sizes.
fn of_layer(layer: &str, config: &VideoMaeConfig) -> Vec<Named> {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let parts = [
        ("layernorm_before", vec![width], width),
        ("layernorm_after", vec![width], width),
        ("attention.output.dense", vec![width, width], width),
        ("intermediate.dense", vec![inner, width], inner),
        ("output.dense", vec![width, inner], width),
    ];
    let mut expected: Vec<Named> =
        parts.into_iter().flat_map(|(part, weight, bias)| both(&format!("{layer}.{part}"), weight, bias)).collect();
    let attention = |part: &str| format!("{layer}.attention.attention.{part}");
    expected.extend(["query.weight", "key.weight", "value.weight"].map(|part| (attention(part), vec![width, width])));
    if config.qkv_bias {
        expected.extend(["q_bias", "v_bias"].map(|part| (attention(part), vec![width])));
    }
    expected
}

fn both(place: &str, weight: Vec<usize>, bias: usize) -> [Named; 2] {
    [(format!("{place}.weight"), weight), (format!("{place}.bias"), vec![bias])]
}

/// Other names under which a file may hold the parameter: transformers 5.8 writes `query.bias` for `q_bias`, and a
/// bare `VideoMAEModel` leaves `videomae.` out.
pub fn aliases(name: &str) -> Vec<String> {
    let mut aliases = Vec::new();
    for (ours, theirs) in [("q_bias", "query.bias"), ("v_bias", "value.bias")] {
        aliases.extend(name.strip_suffix(ours).map(|place| format!("{place}{theirs}")));
    }
    let bare: Vec<String> = std::iter::once(name)
        .chain(aliases.iter().map(String::as_str))
        .filter_map(|name| name.strip_prefix("videomae."))
        .map(str::to_string)
        .collect();
    aliases.extend(bare);
    aliases
}

/// Whether a tensor may be left out without changing a single score: adding a constant to all of a query's scores
/// leaves its softmax as it is, and the position table is a formula.
pub fn is_redundant(name: &str) -> bool {
    name.ends_with(".attention.attention.key.bias") || name.ends_with("embeddings.position_embeddings")
}

/// The head's parameters: a new set of labels draws them anew.
pub fn is_head(name: &str) -> bool {
    name.starts_with("classifier.")
}

pub fn layer(index: &str) -> String {
    format!("videomae.encoder.layer.{index}")
}

fn decoder_layer(index: impl std::fmt::Display) -> String {
    format!("decoder.decoder_layers.{index}")
}

/// Where a walk through the model stands: the names of the fields from the top.
#[derive(Debug, Default)]
pub struct Path(Vec<String>);

impl Path {
    pub fn enter(&mut self, field: &str) {
        self.0.push(field.to_string());
    }

    pub fn leave(&mut self) {
        self.0.pop();
    }

    pub fn is_norm(&self) -> bool {
        self.0.iter().any(|field| field.contains("norm"))
    }

    pub fn leaf(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The parameter's name in the state dictionary of `VideoMAEForVideoClassification` or `VideoMAEForPreTraining`.
    pub fn hugging_face_name(&self) -> String {
        let leaf = match self.leaf() {
            "gamma" => "weight",
            "beta" => "bias",
            other => other,
        };
        let fields: Vec<&str> = self.0.iter().map(String::as_str).collect();
        // Burn hangs a low-rank adapter on the weight; PEFT names it beside the weight.
        let (fields, leaf) = match fields.as_slice() {
            [weight @ .., "lora", "a"] => (weight, "lora_A.weight"),
            [weight @ .., "lora", "b"] => (weight, "lora_B.weight"),
            parameter => (parameter, leaf),
        };
        match fields {
            ["embeddings", "projection", _] => format!("{PATCHES}.{leaf}"),
            ["layers", index, rest @ ..] => format!("{}.{}", layer(index), within_layer(rest, leaf)),
            ["decoder", "layers", index, rest @ ..] => {
                format!("{}.{}", decoder_layer(index), within_layer(rest, leaf))
            }
            ["decoder", "norm", _] => format!("decoder.norm.{leaf}"),
            ["final_norm", ..] => format!("videomae.layernorm.{leaf}"),
            ["pooled_norm", ..] => format!("fc_norm.{leaf}"),
            ["head", ..] => format!("classifier.{leaf}"),
            _ => fields.join("."),
        }
    }

    /// The parameter's shape in Hugging Face's layout, from its shape [in, out] or [D] in Burn's.
    pub fn hugging_face_shape(&self, shape: &[usize], config: &VideoMaeConfig) -> Vec<usize> {
        match shape {
            [_, output] if self.0.first().is_some_and(|field| field == "embeddings") => {
                let [height, width] = config.patch_size.height_width();
                vec![*output, config.num_channels, config.tubelet_size, height, width]
            }
            [input, output] => vec![*output, *input],
            [width] if self.leaf() == "mask_token" => vec![1, 1, *width],
            other => other.to_vec(),
        }
    }
}

/// A layer's parameter from the fields below the layer.
fn within_layer(fields: &[&str], leaf: &str) -> String {
    let place = match fields {
        ["attention", "query", "bias"] => return "attention.attention.q_bias".into(),
        ["attention", "value", "bias"] => return "attention.attention.v_bias".into(),
        ["attention", "output", _] => "attention.output.dense",
        ["attention", "query", _] => "attention.attention.query",
        ["attention", "key", _] => "attention.attention.key",
        ["attention", "value", _] => "attention.attention.value",
        ["norm_before", _] => "layernorm_before",
        ["norm_after", _] => "layernorm_after",
        ["intermediate", _] => "intermediate.dense",
        ["output", _] => "output.dense",
        _ => "unknown",
    };
    format!("{place}.{leaf}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bias_is_found_under_every_name_that_files_give_it() {
        let aliases = aliases("videomae.encoder.layer.3.attention.attention.q_bias");
        assert_eq!(
            aliases,
            [
                "videomae.encoder.layer.3.attention.attention.query.bias",
                "encoder.layer.3.attention.attention.q_bias",
                "encoder.layer.3.attention.attention.query.bias",
            ]
        );
    }
}
