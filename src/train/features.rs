//! What a frozen backbone makes of a clip, computed once for each view and kept: later epochs neither decode nor compute
//! it again.
//!
//! Comes in: a source of clips, a model. Goes out: a [`ClipSource`] whose clips' values are what the model's head sees,
//! [D] each, a few kB. Clips are computed one by one, so that a clip's values do not depend on its neighbours: a run that
//! goes on after a stop computes them anew.

use burn::tensor::{Device, Tensor, TensorData};

use super::data_parallel::DataParallel;
use super::feed::{Batch, ClipSource};
use super::kept_features::KeptFeatures;
use super::pace::Spent;
use super::settings::TuneSettings;
use crate::dataset::Unusable;
use crate::model::classifier::VideoMae;
use crate::model::read_back::read_back;
use crate::video::clip::{Clip, ClipShape, View};

/// Whether a run's backbone sees the same views again in this epoch, and is frozen: mixed clips are new each time.
pub fn are_kept(settings: &TuneSettings, epoch: usize) -> bool {
    let mixed = settings.regularisation.mixup > 0.0 || settings.regularisation.cutmix > 0.0;
    settings.strategy.is_frozen(epoch) && !mixed
}

/// What keeping them saves, from the times of the run itself.
#[derive(Debug, Default)]
pub struct Saving {
    /// Seconds a clip in the first epoch whose features were computed.
    computing: Option<f64>,
}

impl Saving {
    /// After an epoch whose steps took so long and for which so many views were computed. Goes out: how many seconds less
    /// it took than if all of them had been; none where some were, or nothing is known of such an epoch.
    pub fn after_epoch(&mut self, spent: &Spent, computed: usize) -> Option<f64> {
        let each = spent.waiting_per_clip() + spent.computing_per_clip();
        if computed > 0 {
            self.computing = self.computing.or((spent.clips > 0).then_some(each));
            return None;
        }
        Some((self.computing? - each).max(0.0) * spent.clips as f64)
    }
}

/// Moves a batch of features to the device: [B, D].
pub fn upload(batch: Batch, width: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(batch.pixels, [batch.labels.len(), width]), device)
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
    /// Workers that share the computing, where there are some.
    pub parallel: Option<&'a DataParallel>,
}

impl<S: ClipSource> Features<'_, S> {
    /// [T, C, H, W] -> [D].
    async fn compute(&self, pixels: Vec<f32>) -> Result<Vec<f32>, String> {
        let dims = [1, self.shape.frames, 3, self.shape.height, self.shape.width];
        let pixels = Tensor::<5>::from_data(TensorData::new(pixels, dims), self.device);
        if let Some(parallel) = self.parallel {
            return parallel.features(self.model, pixels).await;
        }
        let data = read_back(self.model.features(pixels)).await?;
        Ok(data.iter::<f32>().collect())
    }
}

impl<S: ClipSource> ClipSource for Features<'_, S> {
    async fn clip(&self, video: usize, view: &View) -> Result<Clip, Unusable> {
        let seed = match view {
            View::Training { seed, .. } => Some(*seed),
            View::Evaluation(_) => None,
        };
        if let Some(clip) = self.kept.get((video, seed)).await {
            return Ok(clip);
        }
        let mut clip = self.source.clip(video, view).await?;
        match self.compute(std::mem::take(&mut clip.pixels)).await {
            Ok(values) => clip.pixels = values,
            Err(reason) => {
                self.kept.fail(reason);
                clip.pixels = vec![0.0; self.model.width()];
                return Ok(clip);
            }
        }
        self.kept.keep((video, seed), clip.clone()).await;
        Ok(clip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_told_from_the_epoch_that_computed() {
        let spent = |waiting, computing| Spent { waiting, computing, clips: 10 };
        let mut saving = Saving::default();
        assert_eq!(saving.after_epoch(&spent(1.0, 1.0), 0), None);
        assert_eq!(saving.after_epoch(&Spent::default(), 10), None);
        assert_eq!(saving.after_epoch(&spent(19.0, 1.0), 10), None);
        assert_eq!(saving.after_epoch(&spent(5.0, 5.0), 3), None);
        assert_eq!(saving.after_epoch(&spent(0.5, 0.5), 0), Some(19.0));
    }
}
