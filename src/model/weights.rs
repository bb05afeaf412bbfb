//! Weights under Hugging Face's names, in and out, and random weights from a seed.
//!
//! Comes in: safetensors. Goes out: a [`VideoMae`] with those weights, or safetensors of one. Hugging Face keeps
//! matrices as [out, in] and the tubelet projection as a Conv3d kernel [D, C, t, h, w]; Burn multiplies by [in, out].
//! Never blocks on the device: reading weights back is a future.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::classifier::VideoMae;
use super::config::VideoMaeConfig;

/// Why weights could not be read or written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WeightsError {
    #[error("the weights are not a readable safetensors file ({0})")]
    Damaged(String),
    #[error("the weights hold {name} as {found}; only 32-bit floats can be read so far")]
    NumberFormat { name: String, found: String },
    #[error("the device could not hand the weights back ({0})")]
    ReadBack(String),
}

/// What did not fit when weights were loaded, by Hugging Face name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// In the model, not in the file; these keep their random weights.
    pub missing: Vec<String>,
    /// In the file, not in the model.
    pub surplus: Vec<String>,
    /// In both with different shapes (the model's, the file's); these keep their random weights.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl LoadReport {
    /// Whether every weight of the model came from the file.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.misshapen.is_empty()
    }
}

/// The model with the weights of a safetensors file, and what did not fit.
pub fn load(model: VideoMae, config: &VideoMaeConfig, bytes: &[u8]) -> Result<(VideoMae, LoadReport), WeightsError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| WeightsError::Damaged(error.to_string()))?;
    let mut surplus: std::collections::BTreeSet<String> = file.names().iter().map(|name| name.to_string()).collect();
    let mut loader = Loader { path: Path::default(), config, file: &file, report: LoadReport::default(), error: None };
    let model = model.map(&mut loader);
    if let Some(error) = loader.error {
        return Err(error);
    }
    let mut report = loader.report;
    for name in names(&model) {
        surplus.remove(&name);
    }
    report.surplus = surplus.into_iter().collect();
    Ok((model, report))
}

/// The model's weights as a safetensors file, bit for bit.
pub async fn save(model: &VideoMae, config: &VideoMaeConfig) -> Result<Vec<u8>, WeightsError> {
    let tensors = read_back(model, config, |tensor, _| Some(tensor)).await?;
    let mut views = BTreeMap::new();
    for (name, (shape, values)) in &tensors {
        let view = TensorView::new(Dtype::F32, shape.clone(), values)
            .map_err(|error| WeightsError::ReadBack(error.to_string()))?;
        views.insert(name.clone(), view);
    }
    // transformers refuses files that do not say which framework's layout they hold.
    let metadata = std::collections::HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(|error| WeightsError::ReadBack(error.to_string()))
}

/// Tensors in Hugging Face's layout: name -> shape and little-endian f32 bytes.
pub type NamedTensors = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

/// Reads one tensor for each parameter back in Hugging Face's layout: what `choose` makes of the parameter's value
/// and its index in the walk (a gradient, say, flattened or not, but of the same number of values).
pub async fn read_back(
    model: &VideoMae,
    config: &VideoMaeConfig,
    choose: impl FnMut(Tensor<1>, &ParamId) -> Option<Tensor<1>>,
) -> Result<NamedTensors, WeightsError> {
    let mut collector = Collector { path: Path::default(), config, choose, tensors: Vec::new() };
    model.visit(&mut collector);
    let mut named = BTreeMap::new();
    for (name, shape, tensor) in collector.tensors {
        let data = tensor.into_data_async().await.map_err(|error| WeightsError::ReadBack(error.to_string()))?;
        named.insert(name, (shape, data.as_bytes().to_vec()));
    }
    Ok(named)
}

/// Every parameter's Hugging Face name, in the order of the walk.
pub fn names(model: &VideoMae) -> Vec<String> {
    struct Names(Path, Vec<String>);
    impl ModuleVisitor for Names {
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.1.push(self.0.hugging_face_name());
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.0.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.0.pop();
        }
    }
    let mut names = Names(Path::default(), Vec::new());
    model.visit(&mut names);
    names.1
}

/// Draws every weight anew: matrices from N(0, `deviation`), biases 0, norms 1 and 0.
pub fn randomise(model: VideoMae, deviation: f64, seed: u64) -> VideoMae {
    model.map(&mut Randomiser { path: Path::default(), deviation, random: ChaCha8Rng::seed_from_u64(seed) })
}

/// Where a walk through the model stands: the names of the fields from the top.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn is_norm(&self) -> bool {
        self.0.iter().any(|field| field.contains("norm"))
    }

    fn leaf(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The parameter's name in `VideoMAEForVideoClassification`'s state dictionary.
    fn hugging_face_name(&self) -> String {
        let leaf = match self.leaf() {
            "gamma" => "weight",
            "beta" => "bias",
            other => other,
        };
        let fields: Vec<&str> = self.0.iter().map(String::as_str).collect();
        match fields.as_slice() {
            ["embeddings", "projection", _] => format!("videomae.embeddings.patch_embeddings.projection.{leaf}"),
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
    fn hugging_face_shape(&self, shape: &[usize], config: &VideoMaeConfig) -> Vec<usize> {
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

fn layer(index: &str) -> String {
    format!("videomae.encoder.layer.{index}")
}

struct Loader<'a, 'file> {
    path: Path,
    config: &'a VideoMaeConfig,
    file: &'a SafeTensors<'file>,
    report: LoadReport,
    error: Option<WeightsError>,
}

impl Loader<'_, '_> {
    /// The parameter's values in Burn's layout, or none where the file cannot give them.
    fn values(&mut self, shape: &[usize]) -> Option<TensorData> {
        let name = self.path.hugging_face_name();
        let wanted = self.path.hugging_face_shape(shape, self.config);
        let Ok(view) = self.file.tensor(&name) else {
            self.report.missing.push(name);
            return None;
        };
        if view.shape() != wanted {
            self.report.misshapen.push((name, wanted, view.shape().to_vec()));
            return None;
        }
        if view.dtype() != Dtype::F32 {
            self.error = Some(WeightsError::NumberFormat { name, found: format!("{:?}", view.dtype()) });
            return None;
        }
        let stored: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let values = match shape {
            [input, output] => transposed(&stored, *output, *input),
            _ => stored,
        };
        Some(TensorData::new(values, shape.to_vec()))
    }
}

/// [rows, columns] -> [columns, rows].
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}

impl ModuleMapper for Loader<'_, '_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape: [usize; D] = parameter.lazy_shape().dims();
        match self.values(&shape) {
            Some(values) => with_values(parameter, values),
            None => parameter,
        }
    }
}

fn with_values<const D: usize>(parameter: Param<Tensor<D>>, values: TensorData) -> Param<Tensor<D>> {
    let device = parameter.lazy_device();
    let tensor = Tensor::from_data(values, &device);
    Param::initialized(parameter.id, if device.is_autodiff() { tensor.require_grad() } else { tensor })
}

struct Collector<'a, Choose> {
    path: Path,
    config: &'a VideoMaeConfig,
    choose: Choose,
    tensors: Vec<(String, Vec<usize>, Tensor<1>)>,
}

impl<Choose: FnMut(Tensor<1>, &ParamId) -> Option<Tensor<1>>> ModuleVisitor for Collector<'_, Choose> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let value = parameter.val().without_autodiff();
        let dims: [usize; D] = value.dims();
        let count: usize = dims.iter().product();
        let Some(chosen) = (self.choose)(value.reshape([count]), &parameter.id) else { return };
        let turned = match dims.as_slice() {
            [input, output] => chosen.reshape([*input, *output]).transpose().reshape([count]),
            _ => chosen,
        };
        let shape = self.path.hugging_face_shape(&dims, self.config);
        self.tensors.push((self.path.hugging_face_name(), shape, turned));
    }
}

struct Randomiser {
    path: Path,
    deviation: f64,
    random: ChaCha8Rng,
}

impl Randomiser {
    /// Box and Muller's transform of two uniform draws.
    fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.random.random::<f64>()).ln()).sqrt();
        let angle = std::f64::consts::TAU * self.random.random::<f64>();
        (self.deviation * radius * angle.cos()) as f32
    }
}

impl ModuleMapper for Randomiser {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = parameter.lazy_shape();
        let count = shape.num_elements();
        let values = if self.path.is_norm() {
            vec![if self.path.leaf() == "gamma" { 1.0 } else { 0.0 }; count]
        } else if D == 1 {
            vec![0.0; count]
        } else {
            (0..count).map(|_| self.normal()).collect()
        };
        with_values(parameter, TensorData::new(values, shape))
    }
}
