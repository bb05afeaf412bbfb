//! What the pages share.

pub mod chart;
pub mod choice;
pub mod clip_player;
pub mod dialog;
pub mod dropzone;
pub mod field;
pub mod load_report;
pub mod notice;
pub mod picture;
pub mod progress;
pub mod unusable;
