//! The import job: what is told about a folder while it is used already.
//!
//! Comes in: a listed [`Folder`]. Goes out: pictures of its classes, and what looking into its files tells, at most so
//! often as a page can follow. Ends when every file was looked into.

use std::rc::Rc;

use super::clock;
use super::folder::Folder;
use crate::dataset::catalogue::PICTURED;
use crate::protocol::Event;

/// Seconds between two reports of how far it is, and between two of what was found.
const TOLD_EVERY: f64 = 0.1;
const FOUND_EVERY: f64 = 1.0;

/// Looks into every file of the folder. `current` is the folder as it is labelled by then.
pub async fn check(folder: &Folder, current: impl Fn() -> Option<Rc<Folder>>, report: impl Fn(Event)) {
    let found = || {
        if let Some(folder) = current() {
            report(Event::Imported(Box::new(folder.report().for_page())));
        }
    };
    let videos = folder.contents().videos();
    let total = videos.len();
    let (mut told, mut found_at, mut known) = (0.0, 0.0, 0);
    report(Event::Checking { done: 0, total });
    let progress = |done, unusable| {
        let now = clock::seconds();
        if now - told > TOLD_EVERY || done == total {
            told = now;
            report(Event::Checking { done, total });
        }
        if unusable != known && (now - found_at > FOUND_EVERY || done == total) {
            (found_at, known) = (now, unusable);
            found();
        }
    };
    folder.contents().check(videos.clone(), progress).await;
    folder.contents().find_copies(&videos).await;
    found();
}

/// A picture for each class that has none in `pictured` yet.
pub async fn picture(folder: &Folder, pictured: &std::cell::RefCell<Vec<String>>, report: impl Fn(Event)) {
    for class in folder.catalogue.classes.iter().take(PICTURED) {
        let known = pictured.borrow().contains(&class.name);
        if !known && let Some(picture) = folder.thumbnail(&class.name).await {
            pictured.borrow_mut().push(class.name.clone());
            report(Event::Thumbnail { class: class.name.clone(), picture });
        }
    }
}
