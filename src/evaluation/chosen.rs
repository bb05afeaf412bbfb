//! Which clips of an evaluation somebody wants to see: those of a cell of the confusion matrix, or a single one.
//!
//! Comes in: a choice, as a button of the report carries it. Goes out: its clips, and in words what they have in common.

use serde::{Deserialize, Serialize};

use super::evaluated::{ClipOutcome, Evaluated};
use crate::dataset::Split;

/// Clips of one split's evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    pub split: Split,
    pub clips: Clips,
    /// The first of them to be shown.
    pub from: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clips {
    /// Of a class, taken for a class.
    Cell { label: usize, prediction: usize },
    /// Counts into [`Evaluated::clips`].
    One(usize),
}

impl Chosen {
    /// From the first clip on.
    pub fn new(split: Split, clips: Clips) -> Self {
        Self { split, clips, from: 0 }
    }

    /// As a button carries it.
    pub fn to_text(self) -> String {
        // Numbers and fixed names always become JSON.
        serde_json::to_string(&self).unwrap_or_default()
    }

    /// None of what no button carries.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// All of the clips, and the evaluation that they are of. None where there are none.
    pub fn find<'a>(&self, evaluated: &'a [Evaluated]) -> Option<(&'a Evaluated, Vec<&'a ClipOutcome>)> {
        let evaluated = evaluated.iter().find(|evaluated| evaluated.split == self.split)?;
        let places = match &self.clips {
            Clips::Cell { label, prediction } => evaluated.cell(*label, *prediction),
            Clips::One(place) => std::slice::from_ref(place),
        };
        let found: Vec<&ClipOutcome> = places.iter().filter_map(|&place| evaluated.clips.get(place)).collect();
        (!found.is_empty()).then_some((evaluated, found))
    }
}

impl Evaluated {
    /// What happened to clips of a class: `“Wave”, taken for “Clap”`.
    pub fn outcome(&self, label: usize, prediction: usize) -> String {
        let class = self.class(label);
        match label == prediction {
            true => format!("“{class}”, named rightly"),
            false => format!("“{class}”, taken for “{}”", self.class(prediction)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{Answer, Answered, Views};

    fn evaluated() -> Vec<Evaluated> {
        let clip = |(place, (label, logits)): (usize, (usize, [f32; 2]))| Answered {
            path: format!("clip {place}"),
            part: None,
            label,
            answer: Answer::from_logits(&logits).unwrap(),
        };
        let answers = [(0, [1.0, 0.0]), (0, [0.0, 1.0]), (1, [0.0, 1.0]), (0, [0.0, 2.0])];
        let answered: Vec<Answered> = answers.into_iter().enumerate().map(clip).collect();
        let classes = vec!["A".to_string(), "B".into()];
        Evaluated::new((Split::Test, Views::Single), classes, &answered, None).into_iter().collect()
    }

    #[test]
    fn a_buttons_text_finds_the_clips_that_it_counts() {
        let all = evaluated();
        let mut seen = 0;
        for (label, prediction) in [(0, 0), (0, 1), (1, 1)] {
            let text = Chosen::new(Split::Test, Clips::Cell { label, prediction }).to_text();
            let (of, clips) = Chosen::from_text(&text).unwrap().find(&all).unwrap();
            assert!(clips.iter().all(|clip| (clip.label, clip.prediction) == (label, prediction)));
            assert_eq!(clips.len(), of.cell(label, prediction).len());
            seen += clips.len();
        }
        assert_eq!(seen, 4);
        assert_eq!(Chosen::new(Split::Test, Clips::One(3)).find(&all).unwrap().1[0].path, "clip 3");
        assert_eq!(all[0].outcome(0, 1), "“A”, taken for “B”");
        assert_eq!(all[0].outcome(1, 1), "“B”, named rightly");
    }

    #[test]
    fn what_no_button_says_finds_nothing() {
        let all = evaluated();
        assert!(["", "{}", "null", "[]"].into_iter().all(|text| Chosen::from_text(text).is_none()));
        let cell = |split, label| Chosen::new(split, Clips::Cell { label, prediction: 0 });
        let beyond = Chosen::new(Split::Test, Clips::One(4));
        for chosen in [cell(Split::Test, 1), cell(Split::Validation, 0), beyond] {
            assert!(chosen.find(&all).is_none(), "{chosen:?}");
        }
    }
}
