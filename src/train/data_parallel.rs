//! A batch's clips shared out among replicas of the model, which compute at the same time: data parallelism, as PyTorch's
//! `DistributedDataParallel` has it, for a CPU whose cores a browser gives to workers that share no memory.
//!
//! Comes in: a model, a batch, workers. Goes out: what the model alone would have made of the batch, but for the order in
//! which it adds. Only weights, pixels, logits and gradients travel. Where a worker ends, its clips are computed here and the
//! run goes on without it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use burn::tensor::{Tensor, TensorData};
use futures_util::future::{LocalBoxFuture, join_all};

use super::lesson::{Lesson, Manner, Seen};
use super::optimizer::GradientSum;
use super::replica::{Blueprint, Task, apart, read, values};
use super::strategy::parameters;
use crate::dataset::words::counted;
use crate::model::classifier::VideoMae;

/// Clips that a replica has of those whose features are asked for: one that it computes and one that waits.
const CLIPS_AHEAD: usize = 2;

/// Workers with a [`super::replica::Replica`] each.
pub trait Replicas {
    fn count(&self) -> usize;

    /// Asks at once, also where the answer is not waited for. Each replica answers in order.
    ///
    /// # Errors
    /// Says what went wrong; the replica is not to be asked again.
    fn ask(&self, replica: usize, task: Task, numbers: &[f32]) -> LocalBoxFuture<'static, Result<Vec<f32>, String>>;
}

/// What the replicas know of the weights.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Nothing,
    /// All but the last steps.
    Older,
    Current,
}

/// A run's model and its replicas.
pub struct DataParallel {
    replicas: Rc<dyn Replicas>,
    blueprint: Blueprint,
    known: Cell<Known>,
    ended: RefCell<BTreeSet<usize>>,
    /// How many of the ended ones the user was told of.
    told: Cell<usize>,
    /// Clips that each replica has of [`Self::features`].
    under_way: RefCell<Vec<usize>>,
}

impl DataParallel {
    pub fn new(replicas: Rc<dyn Replicas>, blueprint: Blueprint) -> Self {
        let under_way = RefCell::new(vec![0; replicas.count()]);
        let (known, ended, told) = (Cell::new(Known::Nothing), RefCell::default(), Cell::new(0));
        Self { replicas, blueprint, known, ended, told, under_way }
    }

    /// The weights that the run trains are others now.
    pub fn trained(&self) {
        if self.known.get() == Known::Current {
            self.known.set(Known::Older);
        }
    }

    /// The next model that is asked is another.
    pub fn forget(&self) {
        self.known.set(Known::Nothing);
    }

    /// What the user is to hear of workers that ended since this was asked last.
    pub fn complaint(&self) -> Option<String> {
        let ended = self.ended.borrow().len();
        let more = ended.saturating_sub(self.told.replace(ended));
        (more > 0).then(|| {
            format!(
                "{} that computed beside the engine ended, most likely for want of memory. The run goes on, more slowly.",
                counted(more, "worker", "workers")
            )
        })
    }

    fn working(&self) -> Vec<usize> {
        let ended = self.ended.borrow();
        (0..self.replicas.count()).filter(|replica| !ended.contains(replica)).collect()
    }

    fn lose(&self, replica: usize) {
        self.ended.borrow_mut().insert(replica);
    }

    /// How many compute: the replicas that did not end, and whoever has this.
    pub fn workers(&self) -> usize {
        self.working().len() + 1
    }

    /// Lets the replicas have the model's weights, where they have not.
    async fn catch_up(&self, model: &VideoMae) -> Result<(), String> {
        let (task, ids) = match self.known.get() {
            Known::Current => return Ok(()),
            Known::Older => (Task::Follow, self.blueprint.trained(model)),
            Known::Nothing => (Task::Hold(self.blueprint.clone()), parameters(model)),
        };
        let numbers = values(model, &ids).await?;
        let asked = self.working().into_iter().map(|replica| {
            let answer = self.replicas.ask(replica, task.clone(), &numbers);
            async move { (replica, answer.await) }
        });
        let asked: Vec<_> = asked.collect();
        if self.known.replace(Known::Current) == Known::Nothing {
            // Workers start meanwhile: clips for one that never does would wait in vain.
            for (replica, answer) in join_all(asked).await {
                if answer.is_err() {
                    self.lose(replica);
                }
            }
        }
        Ok(())
    }

    /// As [`Lesson::learn`] with `pixels` [B, T, C, H, W], each replica with its part.
    pub async fn learn(
        &self,
        model: &VideoMae,
        pixels: Tensor<5>,
        lesson: &Lesson,
        manner: Manner<'_>,
        gradients: &mut GradientSum,
    ) -> Result<[Tensor<1>; 2], String> {
        let (own, shared) = self.share_out(model, &pixels, |part| Task::Learn(lesson.of(part))).await?;
        let here = |part: Range<usize>, gradients: &mut GradientSum| {
            let pixels = Seen::Pixels(clips_of(&pixels, part.clone()));
            lesson.of(part).learn(model, pixels, manner, gradients)
        };
        let mut sums = here(own, gradients);
        let trained = self.blueprint.strategy.trained(model, lesson.epoch);
        for Shared { replica, part, answer } in shared {
            let answer = answer.await.and_then(|numbers| {
                let (told, found) = numbers.split_first_chunk::<2>().ok_or("it told nothing")?;
                Ok((
                    told.map(|number| Tensor::from_floats([number], &sums[0].device())),
                    apart(model, &trained, found)?,
                ))
            });
            let told = match answer {
                Ok((told, found)) => {
                    for (id, gradient) in trained.iter().filter_map(|id| Some((*id, found.get(id)?))) {
                        gradients.add_one(id, gradient.clone());
                    }
                    told
                }
                Err(_) => {
                    self.lose(replica);
                    here(part, gradients)
                }
            };
            let [loss, right] = told;
            sums = [sums[0].clone() + loss, sums[1].clone() + right];
        }
        Ok(sums)
    }

    /// As [`VideoMae::forward`] of a model without autodiff, each replica with its part: [B, T, C, H, W] -> [B, K].
    pub async fn forward(&self, model: &VideoMae, pixels: Tensor<5>) -> Result<Tensor<2>, String> {
        let (own, shared) = self.share_out(model, &pixels, |part| Task::Answer { clips: part.len() }).await?;
        let here = |part: Range<usize>| model.forward(clips_of(&pixels, part));
        let own = here(own);
        let [_, classes] = own.dims();
        let mut logits = vec![own];
        for Shared { replica, part, answer } in shared {
            logits.push(match answer.await {
                Ok(numbers) if numbers.len() == part.len() * classes => {
                    Tensor::from_data(TensorData::new(numbers, [part.len(), classes]), &logits[0].device())
                }
                _ => {
                    self.lose(replica);
                    here(part)
                }
            });
        }
        Ok(Tensor::cat(logits, 0))
    }

    /// As [`VideoMae::features`] of one clip and a model without autodiff whose backbone is frozen, for many who ask at a
    /// time: [1, T, C, H, W] -> [D], the same to the last bit. Computed here where every replica has enough to do.
    pub async fn features(&self, model: &VideoMae, pixels: Tensor<5>) -> Result<Vec<f32>, String> {
        // A backbone that is frozen is as it was when they got it.
        if self.known.get() == Known::Nothing {
            self.catch_up(model).await?;
        }
        let has_room =
            |replica: &usize| self.under_way.borrow().get(*replica).is_some_and(|clips| *clips < CLIPS_AHEAD);
        if let Some(replica) = self.working().into_iter().find(has_room) {
            let numbers = read(pixels.clone()).await?;
            self.count(replica, 1);
            let answer = self.replicas.ask(replica, Task::Features, &numbers).await;
            self.count(replica, -1);
            match answer {
                Ok(features) if features.len() == model.width() => return Ok(features),
                _ => self.lose(replica),
            }
        }
        read(model.features(pixels)).await
    }

    fn count(&self, replica: usize, more: isize) {
        if let Some(clips) = self.under_way.borrow_mut().get_mut(replica) {
            *clips = clips.saturating_add_signed(more);
        }
    }

    /// Gives each replica its part of the clips. Goes out: the first part, which is computed here.
    async fn share_out(
        &self,
        model: &VideoMae,
        pixels: &Tensor<5>,
        task: impl Fn(Range<usize>) -> Task,
    ) -> Result<(Range<usize>, Vec<Shared>), String> {
        let [clips, ..] = pixels.dims();
        if clips < 2 {
            return Ok((0..clips, Vec::new()));
        }
        self.catch_up(model).await?;
        let working = self.working();
        let mut parts = parts(clips, working.len() + 1).into_iter();
        let own = parts.next().unwrap_or(0..clips);
        let mut shared = Vec::new();
        for (replica, part) in working.into_iter().zip(parts) {
            let numbers = read(clips_of(pixels, part.clone()).without_autodiff()).await?;
            let answer = self.replicas.ask(replica, task(part.clone()), &numbers);
            shared.push(Shared { replica, part, answer });
        }
        Ok((own, shared))
    }
}

/// A part of the clips that a replica has.
struct Shared {
    replica: usize,
    part: Range<usize>,
    answer: LocalBoxFuture<'static, Result<Vec<f32>, String>>,
}

/// [B, T, C, H, W], of those.
fn clips_of(pixels: &Tensor<5>, clips: Range<usize>) -> Tensor<5> {
    let [_, frames, channels, height, width] = pixels.dims();
    pixels.clone().slice([clips, 0..frames, 0..channels, 0..height, 0..width])
}

/// As many parts as there are workers, or clips; no two differ by more than one clip, and the first is the smallest: who
/// shares out has more to do than the others.
fn parts(clips: usize, workers: usize) -> Vec<Range<usize>> {
    let workers = workers.min(clips).max(1);
    (0..workers).map(|worker| worker * clips / workers..(worker + 1) * clips / workers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clip_is_in_one_part_and_the_first_part_is_the_smallest() {
        for (clips, workers) in [(8, 2), (8, 3), (1, 4), (7, 4), (3, 3), (5, 1)] {
            let parts = parts(clips, workers);
            assert_eq!(parts.len(), workers.min(clips));
            assert_eq!(parts.iter().cloned().flatten().collect::<Vec<_>>(), (0..clips).collect::<Vec<_>>());
            let lengths: Vec<usize> = parts.iter().map(Range::len).collect();
            let (least, most) = (*lengths.iter().min().unwrap(), *lengths.iter().max().unwrap());
            assert!(lengths[0] == least && most - least <= 1, "{lengths:?}");
        }
    }
}
