//! The clips that a button of the report leads to, for the page: a canvas for each, and what the model said of it.
//!
//! Comes in: a choice and all of its clips. Goes out: HTML with a few of them, whose buttons carry those before and after
//! as `data-clips`; `data-hold` holds what plays.

use crate::dataset::words::{count, counted, percent};
use crate::drawing::markup::Markup;
use crate::evaluation::Chosen;
use crate::evaluation::evaluated::ClipOutcome;

/// Clips that are shown in one go: a 224-pixel one takes 3 MB.
pub const CLIPS_AT_A_TIME: usize = 12;

/// The id of the canvas of the clip at a place among those that are shown.
pub fn canvas(place: usize) -> String {
    format!("clip-{place}")
}

/// A few of the clips, from the chosen one on.
pub fn list(chosen: Chosen, clips: &[&ClipOutcome]) -> String {
    let mut page = Markup::default();
    let shown: Vec<&ClipOutcome> = clips.iter().copied().skip(chosen.from).take(CLIPS_AT_A_TIME).collect();
    let all = counted(clips.len(), "video", "videos");
    let words = match shown.len() == clips.len() {
        true => all,
        false => format!("{} to {} of {all}", count(chosen.from + 1), count(chosen.from + shown.len())),
    };
    page.leaf("p", &[("class", "quiet figures"), ("role", "status")], &words);
    page.element("ul", &[("class", "shown-clips")], |page| {
        shown.iter().enumerate().for_each(|(place, clip)| card(page, place, clip));
    });
    page.element("div", &[("class", "actions end")], |page| {
        let mut leading = |words: &str, from: usize| {
            let text = Chosen { from, ..chosen }.to_text();
            page.leaf("button", &[("type", "button"), ("class", "secondary"), ("data-clips", &text)], words);
        };
        if let Some(before) = chosen.from.checked_sub(CLIPS_AT_A_TIME) {
            leading("Earlier", before);
        }
        if chosen.from + shown.len() < clips.len() {
            leading("More", chosen.from + shown.len());
        }
    });
    page.finish()
}

fn card(page: &mut Markup, place: usize, clip: &ClipOutcome) {
    let (name, id) = (clip.name(), canvas(place));
    page.element("li", &[("data-testid", "shown-clip"), ("data-path", &name)], |page| {
        let hold = [("type", "button"), ("class", "plain stage"), ("data-hold", ""), ("title", "Hold or play")];
        page.element("button", &hold, |page| {
            page.leaf("canvas", &[("id", &id), ("role", "img"), ("aria-label", &name)], "");
        });
        page.leaf("p", &[("class", "path")], &name);
        let said = format!("{} sure, loss {:.3}", percent(clip.confidence as f32), clip.loss);
        page.leaf("p", &[("class", "quiet figures")], &said);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Split;
    use crate::evaluation::Clips;

    #[test]
    fn every_clip_is_reached_by_more_and_by_earlier() {
        let clip = |number: usize| ClipOutcome {
            path: format!("clip <{number}>"),
            part: None,
            label: 0,
            prediction: 1,
            confidence: 0.5,
            rank: 1,
            loss: 0.7,
            entropy: 0.7,
        };
        let all: Vec<ClipOutcome> = (0..30).map(clip).collect();
        let all: Vec<&ClipOutcome> = all.iter().collect();
        let first = Chosen::new(Split::Test, Clips::Cell { label: 0, prediction: 1 });
        let leads = |html: &str, words: &str| {
            let end = html.find(&format!("\">{words}</button>"))?;
            let text = html[..end].rsplit("data-clips=\"").next()?.replace("&quot;", "\"");
            Chosen::from_text(&text)
        };
        let html = list(first, &all);
        assert!(html.contains("1 to 12 of 30 videos") && html.contains("clip &lt;11&gt;") && !html.contains(";12&"));
        assert_eq!(leads(&html, "Earlier"), None);
        let second = leads(&html, "More").unwrap();
        let third = leads(&list(second, &all), "More").unwrap();
        let html = list(third, &all);
        assert!(html.contains("25 to 30 of 30 videos") && html.matches("<canvas").count() == 6);
        assert_eq!((leads(&html, "More"), leads(&html, "Earlier")), (None, Some(second)));
        assert!(list(first, &all[..1]).contains(">1 video<"));
    }
}
