//! What a frozen backbone makes of a clip, computed once for each view and kept: later epochs neither decode nor compute
//! it again.
//!
//! Comes in: a source of clips, a model. Goes out: a [`ClipSource`] whose clips' values are what the model's head sees,
//! [D] each. They lie in memory: a few kB a view. Clips are computed one by one, so that a clip's values do not depend on
//! its neighbours: a run that goes on after a stop computes them anew.

use std::cell::RefCell;
use std::collections::HashMap;

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::feed::{Batch, ClipSource};
use super::run::TuneError;
use super::settings::TuneSettings;
use crate::dataset::Unusable;
use crate::model::classifier::VideoMae;
use crate::video::clip::{Clip, ClipShape, View};

/// What was computed, by video and its view's seed; evaluation has one view, without a seed.
#[derive(Default)]
pub struct KeptFeatures {
    clips: RefCell<HashMap<(usize, Option<u64>), Clip>>,
    failure: RefCell<Option<String>>,
}

impl KeptFeatures {
    /// The device may fail within a feed, which knows of videos only: whoever consumed the feed asks afterwards.
    pub fn failure(&self) -> Result<(), TuneError> {
        self.failure.borrow_mut().take().map_or(Ok(()), |reason| Err(TuneError::Device(reason)))
    }
}

/// Whether a run's backbone sees the same views again in this epoch, and is frozen: mixed clips are new each time.
pub fn are_kept(settings: &TuneSettings, epoch: usize) -> bool {
    let mixed = settings.regularisation.mixup > 0.0 || settings.regularisation.cutmix > 0.0;
    settings.strategy.is_frozen(epoch) && !mixed
}

/// Moves a batch of features to the device: [B, D] and labels [B].
pub fn upload(batch: Batch, width: usize, device: &Device) -> (Tensor<2>, Tensor<1, Int>) {
    let count = batch.labels.len();
    let features = Tensor::from_data(TensorData::new(batch.pixels, [count, width]), device);
    (features, Tensor::from_data(TensorData::new(batch.labels, [count]), device))
}

/// A source of what the head sees.
pub struct Features<'a, S> {
    pub source: &'a S,
    /// Without autodiff; its backbone stays as it is for as long as `kept` is used.
    pub model: &'a VideoMae,
    pub kept: &'a KeptFeatures,
    pub shape: &'a ClipShape,
    /// Without autodiff.
    pub device: &'a Device,
}

impl<S: ClipSource> Features<'_, S> {
    /// [T, C, H, W] -> [D].
    async fn compute(&self, pixels: Vec<f32>) -> Result<Vec<f32>, String> {
        let dims = [1, self.shape.frames, 3, self.shape.height, self.shape.width];
        let pixels = Tensor::<5>::from_data(TensorData::new(pixels, dims), self.device);
        let data = self.model.features(pixels).into_data_async().await.map_err(|error| error.to_string())?;
        Ok(data.iter::<f32>().collect())
    }
}

impl<S: ClipSource> ClipSource for Features<'_, S> {
    async fn clip(&self, video: usize, view: &View) -> Result<Clip, Unusable> {
        let seed = match view {
            View::Training { seed, .. } => Some(*seed),
            View::Evaluation(_) => None,
        };
        if let Some(clip) = self.kept.clips.borrow().get(&(video, seed)) {
            return Ok(clip.clone());
        }
        let mut clip = self.source.clip(video, view).await?;
        match self.compute(std::mem::take(&mut clip.pixels)).await {
            Ok(values) => clip.pixels = values,
            Err(reason) => {
                self.kept.failure.replace(Some(reason));
                clip.pixels = vec![0.0; self.model.width()];
                return Ok(clip);
            }
        }
        self.kept.clips.borrow_mut().insert((video, seed), clip.clone());
        Ok(clip)
    }
}
