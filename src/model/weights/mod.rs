//! Weights under Hugging Face's names, in and out, and random weights from a seed.
//!
//! Comes in: files of tensors. Goes out: a model with their values, or a safetensors file of one: a
//! [`VideoMae`](super::classifier::VideoMae) or a [`PretrainingModel`](super::pretraining::PretrainingModel). Hugging Face
//! keeps matrices as [out, in] and the tubelet projection as a Conv3d kernel [D, C, t, h, w]; Burn multiplies by
//! [in, out]. One tensor at a time is in memory besides the model. Never blocks on the device.

pub mod names;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use self::names::{Named, Path, aliases, expected, is_head, is_redundant};
use super::config::VideoMaeConfig;
use super::read_back::read_back;
use crate::files::FileSource;
use crate::protocol::LoadReport;
use crate::tensors::{NumberFormat, SafetensorsWriter, TensorFiles, TensorsError};

/// Why weights could not be read or written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WeightsError {
    #[error("{0}")]
    File(#[from] TensorsError),
    #[error("The device could not hand the weights back ({0}). Reload the page and try again.")]
    ReadBack(String),
}

/// What of the files fits a classifier of this configuration; reads no values.
pub fn compare(config: &VideoMaeConfig, files: &TensorFiles) -> LoadReport {
    compare_with(expected(config), files)
}

/// What of the files fits a model of these parameters; reads no values.
pub fn compare_with(expected: Vec<Named>, files: &TensorFiles) -> LoadReport {
    let mut report = LoadReport::default();
    let mut unclaimed: BTreeSet<&str> = files.names().filter(|name| !is_redundant(name)).collect();
    for (name, shape) in expected {
        let Some(found) = stored_name(files, &name) else {
            report.missing.push((name, shape));
            continue;
        };
        unclaimed.remove(found.as_str());
        if let Some(stored) = files.get(&found)
            && stored.shape != shape
        {
            report.misshapen.push((name, shape, stored.shape.clone()));
        }
    }
    let surplus = unclaimed.into_iter().filter_map(|name| Some((name.to_string(), files.get(name)?.shape.clone())));
    report.surplus = surplus.collect();
    report
}

/// Under which name the files hold a parameter.
fn stored_name(files: &TensorFiles, name: &str) -> Option<String> {
    std::iter::once(name.to_string()).chain(aliases(name)).find(|name| files.get(name).is_some())
}

/// Whether only the head is missing or of another size: such a file gives a classifier with a new head.
pub fn lacks_only_the_head(report: &LoadReport) -> bool {
    let missing = report.missing.iter().map(|(name, _)| name);
    missing.chain(report.misshapen.iter().map(|(name, _, _)| name)).all(|name| is_head(name))
}

/// The model with the files' values wherever name and shape fit; other parameters stay as they are.
pub async fn load<M: Module>(model: M, config: &VideoMaeConfig, files: &TensorFiles) -> Result<M, WeightsError> {
    let values = read(&model, config, files, "").await?;
    Ok(fill(model, values))
}

/// The model with these values, flat; other parameters stay as they are.
pub fn fill<M: Module>(model: M, values: HashMap<ParamId, Tensor<1>>) -> M {
    model.map(&mut Filler { values })
}

/// What files hold for each parameter under `prefix` and its name: flat, in Burn's layout, on the parameter's device.
pub async fn read<M: Module>(
    model: &M,
    config: &VideoMaeConfig,
    files: &TensorFiles,
    prefix: &str,
) -> Result<HashMap<ParamId, Tensor<1>>, WeightsError> {
    let mut read = HashMap::new();
    for place in places(model, config) {
        let Some(name) = stored_name(files, &format!("{prefix}{}", place.name)) else { continue };
        if files.get(&name).is_none_or(|stored| stored.shape != place.shape) {
            continue;
        }
        let mut values = vec![0.0f32; place.count()];
        // Each value goes to its own place at once, so that there is never a second copy of a matrix.
        match place.burn_shape.as_slice() {
            &[input, output] => {
                files
                    .read(&name, |first, piece| {
                        for (index, value) in (first..).zip(piece) {
                            if let Some(place) = values.get_mut(index % input * output + index / input) {
                                *place = *value;
                            }
                        }
                    })
                    .await?;
            }
            _ => {
                files
                    .read(&name, |first, piece| {
                        if let Some(place) = values.get_mut(first..first + piece.len()) {
                            place.copy_from_slice(piece);
                        }
                    })
                    .await?;
            }
        }
        let count = values.len();
        read.insert(place.id, Tensor::from_data(TensorData::new(values, [count]), &place.device));
    }
    Ok(read)
}

/// The model's weights as a safetensors file; 32-bit ones bit for bit.
pub async fn save<M: Module>(
    model: &M,
    config: &VideoMaeConfig,
    format: NumberFormat,
) -> Result<FileSource, WeightsError> {
    let metadata = BTreeMap::from([("format".to_string(), "pt".to_string())]);
    write(model, config, &[("", &|value, _| Some(value))], format, &metadata).await
}

/// Which tensor to write for a parameter, from its value and its id (a moment, say): flat, of as many values.
pub type Choice<'a> = &'a dyn Fn(Tensor<1>, &ParamId) -> Option<Tensor<1>>;

/// Writes for each prefix and each parameter what the choice makes of it, in Hugging Face's layout and in name order.
pub async fn write<M: Module>(
    model: &M,
    config: &VideoMaeConfig,
    choices: &[(&str, Choice<'_>)],
    format: NumberFormat,
    metadata: &BTreeMap<String, String>,
) -> Result<FileSource, WeightsError> {
    let mut places = places(model, config);
    places.sort_by(|one, other| one.name.cmp(&other.name));
    let mut chosen = Vec::new();
    for (prefix, choose) in choices {
        for place in &places {
            // Handles only; a matrix is turned when its turn comes.
            if let Some(tensor) = place.value.clone().and_then(|value| choose(value, &place.id)) {
                chosen.push((format!("{prefix}{}", place.name), place, tensor));
            }
        }
    }
    let header: Vec<_> = chosen.iter().map(|(name, place, _)| (name.clone(), place.shape.clone())).collect();
    let mut writer = SafetensorsWriter::start(&header, format, metadata).await?;
    for (_, place, tensor) in chosen {
        let turned = match place.burn_shape.as_slice() {
            &[input, output] => tensor.reshape([input, output]).transpose().reshape([input * output]),
            _ => tensor,
        };
        let data = read_back(turned).await.map_err(WeightsError::ReadBack)?;
        let values = data.as_slice::<f32>().map_err(|error| WeightsError::ReadBack(format!("{error:?}")))?;
        writer.write(values).await?;
    }
    Ok(writer.finish().await?)
}

/// A parameter as a walk finds it.
struct Place {
    id: ParamId,
    name: String,
    shape: Vec<usize>,
    burn_shape: Vec<usize>,
    device: Device,
    /// Flat; none where the parameter has not been drawn or loaded yet.
    value: Option<Tensor<1>>,
}

impl Place {
    fn count(&self) -> usize {
        self.burn_shape.iter().product()
    }
}

fn places<M: Module>(model: &M, config: &VideoMaeConfig) -> Vec<Place> {
    struct Walk<'a> {
        path: Path,
        config: &'a VideoMaeConfig,
        places: Vec<Place>,
    }
    impl ModuleVisitor for Walk<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.leave();
        }
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            let burn_shape: [usize; D] = parameter.lazy_shape().dims();
            let value = parameter.is_initialized().then(|| {
                let count = burn_shape.iter().product::<usize>();
                parameter.val().without_autodiff().reshape([count])
            });
            self.places.push(Place {
                id: parameter.id,
                name: self.path.hugging_face_name(),
                shape: self.path.hugging_face_shape(&burn_shape, self.config),
                burn_shape: burn_shape.to_vec(),
                device: parameter.lazy_device().without_autodiff(),
                value,
            });
        }
    }
    let mut walk = Walk { path: Path::default(), config, places: Vec::new() };
    model.visit(&mut walk);
    walk.places
}

/// Draws every weight anew: matrices from N(0, `deviation`), biases 0, norms 1 and 0.
pub fn randomise<M: Module>(model: M, deviation: f64, seed: u64) -> M {
    model.map(&mut Randomiser { path: Path::default(), deviation, random: ChaCha8Rng::seed_from_u64(seed) })
}

struct Filler {
    values: HashMap<ParamId, Tensor<1>>,
}

impl ModuleMapper for Filler {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.values.remove(&parameter.id) {
            Some(values) => {
                let shape: [usize; D] = parameter.lazy_shape().dims();
                with_value(parameter, values.reshape(shape))
            }
            None => parameter,
        }
    }
}

fn with_value<const D: usize>(parameter: Param<Tensor<D>>, value: Tensor<D>) -> Param<Tensor<D>> {
    let autodiff = parameter.lazy_device().is_autodiff();
    Param::initialized(parameter.id, if autodiff { value.autodiff().require_grad() } else { value })
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
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.leave();
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
        let device = parameter.lazy_device().without_autodiff();
        let value = Tensor::from_data(TensorData::new(values, shape), &device);
        with_value(parameter, value)
    }
}
