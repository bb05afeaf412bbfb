//! Pre-training: what a model learns from videos without labels, before it is fine-tuned.
//!
//! Comes in: settings. Goes out: the run's events as those of fine-tuning, so that a page follows both alike. One run at
//! a time, of either kind.

use std::rc::Rc;

use super::{Engine, Outcome, sentence};
use crate::engine::brake::Brake;
use crate::engine::{pretraining, tuning};
use crate::protocol::{EpochReport, Event, JobId, StepReport, TuneEvent};
use crate::train::pretraining::events::PretrainEvent;
use crate::train::pretraining::settings::PretrainSettings;

/// Frames that are shown of a clip, and the pixels between two.
const FRAMES: usize = 6;
const GAP: u32 = 2;

impl Engine {
    pub(super) async fn pretrain(
        &self,
        job: JobId,
        settings: &PretrainSettings,
        disk: u64,
        brake: Rc<Brake>,
    ) -> Outcome {
        let (folder, device) = (self.folder()?, self.device()?);
        let _claim = self.claim()?;
        // Without a batch: of the clips' patches the encoder sees a tenth, so that training takes little more memory.
        self.refuse_what_does_not_fit(&self.config_of(&settings.start).await?, None)?;
        self.kept_clips.disk().set_limit(disk).await;
        let (store, kept_clips) = (&self.store, &self.kept_clips);
        let limits = self.limits.get();
        let place =
            tuning::Workplace { folder: &folder, store, device: &device, limits, kept_clips, replicas: None, brake };
        let report = |event| {
            let epoch = matches!(event, PretrainEvent::Epoch(_));
            self.report(job, as_tuning(event));
            if epoch {
                self.report(job, Event::Tune(TuneEvent::DecodedOnDisk(kept_clips.disk().report())));
            }
        };
        pretraining::pretrain(settings, place, report).await.map(|_| ()).map_err(sentence)
    }
}

fn as_tuning(event: PretrainEvent) -> Event {
    Event::Tune(match event {
        PretrainEvent::Started { total_steps, steps_per_epoch, parameters } => {
            TuneEvent::Started { total_steps, steps_per_epoch, parameters, trained: parameters }
        }
        PretrainEvent::Step(step) => TuneEvent::Step(StepReport {
            step: step.step,
            epoch: step.epoch,
            loss: step.loss,
            accuracy: 0.0,
            learning_rate: step.learning_rate,
            gradient_norm: step.gradient_norm,
            clips_per_second: step.clips_per_second,
            seconds_left: step.seconds_left,
            waiting_per_clip: step.waiting_per_clip,
            computing_per_clip: step.computing_per_clip,
        }),
        PretrainEvent::Epoch(epoch) => TuneEvent::Epoch(EpochReport {
            epoch: epoch.epoch,
            train_loss: epoch.loss,
            train_accuracy: 0.0,
            validation: None,
        }),
        PretrainEvent::Reconstructed(shown) => return Event::Reconstructed(shown.sheet(FRAMES, GAP)),
        PretrainEvent::Saved(checkpoint) => TuneEvent::Saved(checkpoint),
        PretrainEvent::LeftOut(unusable) => TuneEvent::LeftOut(unusable),
    })
}
