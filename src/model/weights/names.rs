//! Hugging Face's names and shapes of VideoMAE's parameters, and the other names that files in the wild give them.
//!
//! Comes in: a configuration, or the path of a field in [`VideoMae`](crate::model::classifier::VideoMae). Goes out:
//! names and shapes. Never holds a value.

use crate::model::config::VideoMaeConfig;

const PATCHES: &str = "videomae.embeddings.patch_embeddings.projection";

/// Every parameter of `VideoMAEForVideoClassification` with its shape in PyTorch's layout, sorted by name.
pub fn expected(config: &VideoMaeConfig) -> Vec<(String, Vec<usize>)> {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let [height, columns] = config.patch_size.height_width();
    let mut expected = vec![
        (format!("{PATCHES}.weight"), vec![width, config.num_channels, config.tubelet_size, height, columns]),
        (format!("{PATCHES}.bias"), vec![width]),
        ("classifier.weight".into(), vec![config.id2label.len(), width]),
        ("classifier.bias".into(), vec![config.id2label.len()]),
    ];
    let mut both = |place: &str, weight: Vec<usize>, bias: usize| {
        expected.push((format!("{place}.weight"), weight));
        expected.push((format!("{place}.bias"), vec![bias]));
    };
    both(if config.use_mean_pooling { "fc_norm" } else { "videomae.layernorm" }, vec![width], width);
    for index in 0..config.num_hidden_layers {
        let place = |name: &str| format!("{}.{name}", layer(&index.to_string()));
        both(&place("layernorm_before"), vec![width], width);
        both(&place("layernorm_after"), vec![width], width);
        both(&place("attention.output.dense"), vec![width, width], width);
        both(&place("intermediate.dense"), vec![inner, width], inner);
        both(&place("output.dense"), vec![width, inner], width);
    }
    for index in 0..config.num_hidden_layers {
        let place = |name: &str| format!("{}.attention.attention.{name}", layer(&index.to_string()));
        expected.extend(["query", "key", "value"].map(|part| (place(&format!("{part}.weight")), vec![width, width])));
        if config.qkv_bias {
            expected.extend(["q_bias", "v_bias"].map(|part| (place(part), vec![width])));
        }
    }
    expected.sort();
    expected
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

    /// The parameter's name in `VideoMAEForVideoClassification`'s state dictionary.
    pub fn hugging_face_name(&self) -> String {
        let leaf = match self.leaf() {
            "gamma" => "weight",
            "beta" => "bias",
            other => other,
        };
        let fields: Vec<&str> = self.0.iter().map(String::as_str).collect();
        match fields.as_slice() {
            ["embeddings", "projection", _] => format!("{PATCHES}.{leaf}"),
            ["layers", index, rest @ ..] => {
                let place = match rest {
                    ["attention", "query", "bias"] => return format!("{}.attention.attention.q_bias", layer(index)),
                    ["attention", "value", "bias"] => return format!("{}.attention.attention.v_bias", layer(index)),
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
                format!("{}.{place}.{leaf}", layer(index))
            }
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
            other => other.to_vec(),
        }
    }
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
