//! The classification job: a model and a video -> its best labels.
//!
//! Comes in: a [`LoadedModel`], a video. Goes out: a [`Classification`] over several clips, probabilities averaged.

use burn::tensor::{Device, Tensor, TensorData};
use futures_util::future::try_join_all;

use super::clock;
use super::loaded::LoadedModel;
use crate::protocol::{Classification, Prediction};
use crate::train::data_parallel::DataParallel;
use crate::train::evaluate::probabilities;
use crate::train::run::TuneError;
use crate::video::clip::{Clip, ClipLoader, View};
use crate::video::views::{TestView, TestViews};
use crate::video::{Video, VideoError, VideoReader, VideoSource};

/// Why a video could not be classified.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    /// The video's fault.
    #[error("{0}")]
    Video(#[from] VideoError),
    /// The device's fault.
    #[error("{0}")]
    Device(#[from] TuneError),
}

/// Classifies one video, looked at in these ways; `top` best labels. Workers, where there are some, share the views.
pub async fn classify(
    loaded: &LoadedModel,
    loader: &ClipLoader,
    source: &VideoSource,
    views: TestViews,
    top: usize,
    device: &Device,
    parallel: Option<&DataParallel>,
) -> Result<Classification, ClassifyError> {
    let started = clock::seconds();
    let views = self::views(loaded, source, views).await?;
    let count = views.len();
    let mut sums = vec![0.0f32; loaded.config.id2label.len()];
    let mut first = None;
    // One view at a time each, so that a long video needs no more of the device than a short one.
    for few in views.chunks(parallel.map_or(1, DataParallel::workers)) {
        let clips = few.iter().map(|view| async { loader.load(source, &View::Evaluation(*view)).await });
        let clips = try_join_all(clips).await?;
        let pixels = Tensor::cat(clips.iter().map(|clip| pixels(loaded, clip, device)).collect(), 0);
        let logits = match parallel {
            Some(parallel) => parallel.forward(&loaded.model, pixels).await.map_err(TuneError::Device)?,
            None => loaded.model.forward(pixels),
        };
        for (sum, probability) in sums.iter_mut().zip(probabilities(logits).await?) {
            *sum += probability / count as f32;
        }
        first = first.or_else(|| clips.first().map(|clip| loader.picture(clip)));
        clock::turn().await;
    }
    let picture = first.ok_or_else(|| TuneError::Device("no view was computed".into()))?;
    Ok(Classification {
        file: source.name(),
        predictions: best(loaded.config.labels(), sums, top),
        views: count,
        milliseconds: (clock::seconds() - started) * 1e3,
        picture,
    })
}

/// How a video is looked at.
pub(super) async fn views(
    loaded: &LoadedModel,
    source: &VideoSource,
    views: TestViews,
) -> Result<Vec<TestView>, VideoError> {
    let seconds = Video::open(source).await?.info().seconds;
    Ok(views.of(seconds, loaded.clip_seconds))
}

/// One clip as the model takes it, [1, T, C, H, W].
pub(super) fn pixels(loaded: &LoadedModel, clip: &Clip, device: &Device) -> Tensor<5> {
    let shape = &loaded.shape;
    let dims = [1, shape.frames, 3, shape.height, shape.width];
    Tensor::from_data(TensorData::new(clip.pixels.clone(), dims), device)
}

/// The `top` labels with the highest scores, best first.
fn best(labels: Vec<String>, scores: Vec<f32>, top: usize) -> Vec<Prediction> {
    let mut predictions: Vec<Prediction> =
        labels.into_iter().zip(scores).map(|(label, score)| Prediction { label, score }).collect();
    predictions.sort_by(|a, b| b.score.total_cmp(&a.score));
    predictions.truncate(top);
    predictions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_labels_come_first_and_no_more_than_asked() {
        let labels = ["a", "b", "c"].map(String::from).to_vec();
        let names: Vec<String> =
            best(labels, vec![0.2, 0.5, 0.3], 2).into_iter().map(|prediction| prediction.label).collect();
        assert_eq!(names, ["b", "c"]);
    }
}
