//! A model on a split: loss and accuracy, one view a video.
//!
//! Comes in: a model, examples, a source of clips. Goes out: [`Outcomes`]. Reads back once, at the end.

use burn::tensor::{Device, Int, Tensor, TensorData, activation::softmax};
use futures_channel::mpsc;
use futures_util::StreamExt;
use futures_util::future::{self, Either};

use super::features::{self, Features};
use super::feed::{BATCHES_AHEAD, Batch, ClipSource, feed};
use super::objective::Targets;
use super::record::Outcomes;
use super::run::{Observer, Run, TuneError};
use super::settings::Metric;
use crate::dataset::Split;
use crate::evaluation::scores;
use crate::model::classifier::VideoMae;
use crate::model::read_back::read_back;
use crate::protocol::{Evaluation, TuneEvent};
use crate::video::clip::{ClipShape, View};
use crate::video::views::TestView;

/// Moves a batch's clips to the device: `pixel_values` [B, T, C, H, W].
pub fn upload(batch: Batch, shape: &ClipShape, device: &Device) -> Tensor<5> {
    let dims = [batch.labels.len(), shape.frames, 3, shape.height, shape.width];
    Tensor::from_data(TensorData::new(batch.pixels, dims), device)
}

/// How many of `logits` [B, K] have their largest value at the label; goes out: [1].
pub fn count_right(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let count = labels.dims()[0];
    logits.argmax(1).reshape([count]).equal(labels).float().sum()
}

/// Evaluates `model` (without autodiff) on one split of a run's data, from `features` where they are kept; none where the
/// split is empty or nothing of it decodes.
pub async fn evaluate<S: ClipSource, O: Observer>(
    run: &Run<'_, S>,
    model: &VideoMae,
    split: Split,
    features: Option<&Features<'_, S>>,
    observer: &mut O,
) -> Result<Option<Outcomes>, TuneError> {
    let examples = run.examples.of(split);
    let device = run.device.clone().without_autodiff();
    let wanted = examples.iter().map(|example| (*example, View::Evaluation(TestView::CENTRE))).collect();
    let (sender, mut batches) = mpsc::channel::<Batch>(BATCHES_AHEAD);
    let consume = async move {
        let mut seen: Vec<usize> = Vec::new();
        let mut predictions: Vec<Tensor<1>> = Vec::new();
        let mut loss = Tensor::<1>::zeros([1], &device);
        while let Some(mut batch) = batches.next().await {
            for unusable in std::mem::take(&mut batch.left_out) {
                observer.event(TuneEvent::LeftOut(unusable));
            }
            let count = batch.labels.len();
            if count == 0 {
                continue;
            }
            seen.extend(batch.labels.iter().map(|&label| label as usize));
            let labels = Targets::Labels(batch.labels.clone());
            let logits = if features.is_some() {
                model.classify(features::upload(batch, model.width(), &device), None)
            } else {
                let pixels = upload(batch, run.shape, &device);
                match run.parallel {
                    Some(parallel) => parallel.forward(model, pixels).await.map_err(TuneError::Device)?,
                    None => model.forward(pixels),
                }
            };
            loss = loss + labels.loss(logits.clone(), &device).mul_scalar(count as f32);
            predictions.push(logits.argmax(1).reshape([count]).float());
            observer.breathe().await;
        }
        Ok((seen, predictions, loss))
    };
    let batch = run.settings.batch;
    let feeding = match features {
        Some(features) => Either::Left(feed(features, wanted, batch, sender)),
        None => Either::Right(feed(run.source, wanted, batch, sender)),
    };
    let (_, consumed): (_, Result<_, TuneError>) = future::join(feeding, consume).await;
    let (seen, mut predictions, loss) = consumed?;
    features.map_or(Ok(()), |features| features.kept.failure())?;
    if seen.is_empty() {
        return Ok(None);
    }
    predictions.push(loss);
    let data = read_back(Tensor::cat(predictions, 0)).await;
    let mut values: Vec<f32> = data.map_err(TuneError::Device)?.iter::<f32>().collect();
    let videos = seen.len();
    let loss = values.pop().unwrap_or(f32::NAN) / videos as f32;
    let predictions: Vec<usize> = values.into_iter().map(|value| value as usize).collect();
    let right = seen.iter().zip(&predictions).filter(|(label, prediction)| label == prediction).count();
    let score = match run.settings.selection.metric_for_best_model {
        Metric::Accuracy => None,
        Metric::Loss => Some(-loss),
        Metric::F1 => {
            let pairs: Vec<(usize, usize)> = seen.iter().copied().zip(predictions.iter().copied()).collect();
            Some(scores::macro_average(&scores::by_class(run.classes.len(), &pairs)).f1 as f32)
        }
    };
    let evaluation = Evaluation { split, loss, accuracy: right as f32 / videos as f32, videos, score };
    Ok(Some(Outcomes::new(evaluation, run.classes.len(), &seen, &predictions)))
}

/// Reads a small tensor of exactly `N` values back.
pub async fn read<const N: usize>(tensor: Tensor<1>) -> Result<[f32; N], TuneError> {
    let data = read_back(tensor).await.map_err(TuneError::Device)?;
    let values: Vec<f32> = data.iter::<f32>().collect();
    values.try_into().map_err(|values: Vec<f32>| TuneError::Device(format!("{} values came back", values.len())))
}

/// Class probabilities from the `logits` [B, K] of B views; goes out: [B, K] on the host, row by row.
pub async fn probabilities(logits: Tensor<2>) -> Result<Vec<f32>, TuneError> {
    let data = read_back(softmax(logits, 1)).await.map_err(TuneError::Device)?;
    Ok(data.iter::<f32>().collect())
}
