//! The classification job: a model and videos -> each one's best labels.
//!
//! Comes in: a [`LoadedModel`], videos. Goes out: a [`Classification`] of each over several clips, probabilities averaged, in
//! the order of the videos. The next clips are decoded while the model looks at some.

use std::pin::pin;

use burn::tensor::{Device, Tensor, TensorData};
use futures_channel::mpsc::{Receiver, Sender, channel};
use futures_util::{SinkExt, StreamExt, future, stream};

use super::clock;
use super::loaded::LoadedModel;
use crate::protocol::{Classification, ClipPicture, Prediction};
use crate::train::data_parallel::DataParallel;
use crate::train::evaluate::probabilities;
use crate::train::run::TuneError;
use crate::video::clip::{Clip, ClipLoader, View};
use crate::video::views::{TestView, TestViews};
use crate::video::{Video, VideoError, VideoReader, VideoSource};

/// Clips being decoded at a time: decoding waits on the browser's decoders and on workers of ours.
const CLIPS_AT_A_TIME: usize = 3;

/// A classification of some videos.
pub struct Classifying<'a> {
    pub loaded: &'a LoadedModel,
    pub loader: &'a ClipLoader,
    pub videos: &'a [VideoSource],
    /// How each of them is looked at.
    pub views: TestViews,
    /// Best labels of each.
    pub top: usize,
    pub device: &'a Device,
    /// Workers that share the views, those of several videos too.
    pub parallel: Option<&'a DataParallel>,
}

/// One view of a video, view `view` of `views`.
struct Look<'a> {
    video: &'a VideoSource,
    view: usize,
    views: usize,
    clip: Result<Clip, VideoError>,
}

/// What is known of the video that is being looked at.
#[derive(Default)]
struct Known {
    /// Probabilities, summed over the views so far: [K].
    sums: Vec<f32>,
    /// Its views' shares of the time that was taken.
    seconds: f64,
    /// Of the first view.
    picture: Option<ClipPicture>,
    /// One of the views could not be decoded.
    failed: bool,
}

impl<'a> Classifying<'a> {
    /// Each video goes to `answered` with its answer, or why it has none.
    pub async fn run(
        &self,
        answered: impl FnMut(&VideoSource, Result<Classification, VideoError>),
    ) -> Result<(), TuneError> {
        let (sender, receiver) = channel(0);
        future::join(self.decode(sender), self.answer(receiver, answered)).await.1
    }

    /// Views that are computed at once, however many a video has: a long one needs no more of the device than a short one.
    fn at_once(&self) -> usize {
        self.parallel.map_or(1, DataParallel::workers)
    }

    /// Ends when all is sent or nobody listens any more.
    async fn decode(&self, mut looks: Sender<Look<'a>>) {
        let views = stream::iter(self.videos).then(|video| async move {
            let views = match views(self.loaded, video, self.views).await {
                Ok(views) => views.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            let count = views.len();
            stream::iter(views).enumerate().map(move |(index, view)| (video, index, count, view))
        });
        let decoded = views.flatten().map(|(video, view, views, how)| async move {
            let clip = match how {
                Ok(how) => self.loader.load(video, &View::Evaluation(how)).await,
                Err(error) => Err(error),
            };
            Look { video, view, views, clip }
        });
        let mut decoded = pin!(decoded.buffered(self.at_once().max(CLIPS_AT_A_TIME)));
        while let Some(look) = decoded.next().await {
            if looks.send(look).await.is_err() {
                return;
            }
        }
    }

    async fn answer(
        &self,
        looks: Receiver<Look<'a>>,
        mut answered: impl FnMut(&VideoSource, Result<Classification, VideoError>),
    ) -> Result<(), TuneError> {
        let mut known = Known::default();
        let mut since = clock::seconds();
        let mut looks = looks.chunks(self.at_once());
        while let Some(few) = looks.next().await {
            let probabilities = self.probabilities(&few).await?;
            let mut rows = probabilities.chunks(self.loaded.config.id2label.len().max(1));
            let now = clock::seconds();
            // What cannot be decoded takes no time to speak of.
            let decoded = few.iter().filter(|look| look.clip.is_ok()).count().max(1);
            let of_each = (now - std::mem::replace(&mut since, now)) / decoded as f64;
            for look in few {
                if look.view == 0 {
                    known = Known { sums: vec![0.0; self.loaded.config.id2label.len()], ..Known::default() };
                }
                known.seconds += of_each;
                let clip = match look.clip {
                    Ok(clip) => clip,
                    Err(error) => {
                        if !std::mem::replace(&mut known.failed, true) {
                            answered(look.video, Err(error));
                        }
                        continue;
                    }
                };
                for (sum, probability) in known.sums.iter_mut().zip(rows.next().unwrap_or_default()) {
                    *sum += probability / look.views as f32;
                }
                let picture = known.picture.take().unwrap_or_else(|| self.loader.picture(&clip));
                if look.view + 1 < look.views || known.failed {
                    known.picture = Some(picture);
                    continue;
                }
                let classification = Classification {
                    file: look.video.name(),
                    predictions: best(self.loaded.config.labels(), std::mem::take(&mut known.sums), self.top),
                    views: look.views,
                    milliseconds: known.seconds * 1e3,
                    picture,
                };
                answered(look.video, Ok(classification));
            }
            clock::turn().await;
        }
        Ok(())
    }

    /// What the model makes of the views that could be decoded: [V, K], row by row.
    async fn probabilities(&self, looks: &[Look<'_>]) -> Result<Vec<f32>, TuneError> {
        let clips = looks.iter().filter_map(|look| look.clip.as_ref().ok());
        let clips: Vec<_> = clips.map(|clip| pixels(self.loaded, clip, self.device)).collect();
        if clips.is_empty() {
            return Ok(Vec::new());
        }
        let pixels = Tensor::cat(clips, 0);
        probabilities(match self.parallel {
            Some(parallel) => parallel.forward(&self.loaded.model, pixels).await.map_err(TuneError::Device)?,
            None => self.loaded.model.forward(pixels),
        })
        .await
    }
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
