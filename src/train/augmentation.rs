//! What is done to training clips at random, as the user sets it.
//!
//! Comes in: settings. Goes out: values, and sentences about those that make no sense. Draws nothing: that is
//! [`crate::video::augmentation`]'s.

use serde::{Deserialize, Serialize};

/// The guide's least and greatest short side before the crop, in pixels, for pictures of [`GUIDE_SIDE`].
pub const GUIDE_SHORT_SIDES: [usize; 2] = [256, 320];
/// The side of the guide's pictures.
pub const GUIDE_SIDE: usize = 224;
/// Short sides above it leave less than a tenth of a frame in the picture.
const MOST_SHORT_SIDE: usize = 2240;

/// What is done to the clips of one class. The default is the guide's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augmentation {
    /// See [`super::settings::TuneSettings::short_sides`].
    pub short_sides: [usize; 2],
    /// Mirror half of the clips.
    pub horizontal_flip: bool,
    pub colour_jitter: ColourJitter,
    /// See [`super::settings::TuneSettings::shrink_large`].
    pub shrink_large: bool,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            short_sides: GUIDE_SHORT_SIDES,
            horizontal_flip: true,
            colour_jitter: ColourJitter::default(),
            shrink_large: true,
        }
    }
}

/// How much colours change at random: torchvision's ColorJitter with the same numbers. All 0 is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ColourJitter {
    /// The factor is drawn from `max(0, 1 - brightness)` to `1 + brightness`.
    pub brightness: f64,
    /// Likewise.
    pub contrast: f64,
    /// Likewise.
    pub saturation: f64,
    /// The shift is drawn from `-hue` to `hue`; 1 is once around the colour circle.
    pub hue: f64,
    /// Draw for each frame; else once for the clip.
    pub per_frame: bool,
}

/// What is wrong with short sides and colours: the field's name and a sentence.
pub fn problems([least, most]: [usize; 2], jitter: &ColourJitter) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let mut check = |holds: bool, field: &'static str, sentence: String| {
        if !holds {
            problems.push((field, sentence));
        }
    };
    let sides = GUIDE_SIDE..=MOST_SHORT_SIDE;
    let range = format!("Choose {GUIDE_SIDE} to {MOST_SHORT_SIDE} pixels: the crop is {GUIDE_SIDE} wide.");
    check(sides.contains(&least), "short_side_least", range.clone());
    check(sides.contains(&most), "short_side_most", range);
    check(least <= most, "short_side_most", format!("Choose {least} pixels or more, or a smaller least."));
    let shares = [("brightness", jitter.brightness), ("contrast", jitter.contrast), ("saturation", jitter.saturation)];
    for (field, value) in shares {
        check((0.0..=1.0).contains(&value), field, "Choose 0 to 1; 0 is off, and 0.4 is usual.".into());
    }
    check((0.0..=0.5).contains(&jitter.hue), "hue", "Choose 0 to 0.5; 0 is off, and 0.1 is usual.".into());
    problems
}
