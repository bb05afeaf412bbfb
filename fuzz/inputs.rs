//! What is done with an input: by the fuzz targets with what libFuzzer makes up, by tests/tensors with the corpora.

use std::collections::BTreeSet;

use cliptune::container::avi::AviVideo;
use cliptune::container::edits::Edits;
use cliptune::container::matroska;
use cliptune::container::mp4;
use cliptune::container::mpeg4::{Headers, Kind, Reorder, colour};
use cliptune::container::transport::{Opened, TransportVideo};
use cliptune::dataset::labelling::{Groups, Labelling, Labels};
use cliptune::dataset::list;
use cliptune::dataset::listing::Listing;
use cliptune::dataset::pattern::Pattern;
use cliptune::files::FileSource;
use cliptune::model::config::VideoMaeConfig;
use cliptune::tensors::TensorFiles;
use futures_util::FutureExt;

/// Values that are read of an input: many tensors can share one storage, and reading them all would take hours.
const VALUES_LIMIT: usize = 1 << 20;

/// The first byte says what the rest is: a safetensors file, a PyTorch file, or a list of shards (with its length in two
/// bytes before it) and one shard. Whatever opens must keep its promises.
pub fn tensors(input: &[u8]) {
    let Some((&kind, rest)) = input.split_first() else { return };
    let (index, shard) = rest.split_at_checked(2).map_or((rest, rest), |(length, rest)| {
        let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        rest.split_at(length.min(rest.len()))
    });
    let files = match kind % 4 {
        0 => vec![("model.safetensors", rest)],
        1 => vec![("pytorch_model.bin", rest)],
        2 => vec![("model.safetensors.index.json", index), ("model-00001-of-00001.safetensors", shard)],
        _ => vec![("pytorch_model.bin.index.json", index), ("pytorch_model-00001-of-00001.bin", shard)],
    };
    let source = |(name, bytes): (&str, &[u8])| (name.to_string(), FileSource::from_bytes(bytes));
    let files: Vec<_> = files.into_iter().map(source).collect();
    let Some(Ok(opened)) = TensorFiles::open(&files).now_or_never() else { return };
    let mut values_read = 0;
    for name in opened.names() {
        let expected: usize = opened.get(name).expect("a name that is listed is there").shape.iter().product();
        assert!(expected / 2 <= input.len(), "{name} claims more than the file holds");
        values_read += expected;
        if values_read > VALUES_LIMIT {
            return;
        }
        let mut found = 0;
        let read = opened.read(name, |position, values| {
            assert!(position == found && values.iter().all(|value| value.is_finite()));
            found += values.len();
        });
        if read.now_or_never().expect("memory is ready at once").is_ok() {
            assert_eq!(found, expected, "{name} has the values that its shape says");
        }
    }
}

/// A `config.json` that passes must describe sizes that can be multiplied where `usize` has 32 bits, too.
pub fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(config) = VideoMaeConfig::from_json(text) else { return };
    let fits = |sizes: &[usize]| {
        sizes.iter().try_fold(1u32, |product, &size| product.checked_mul(size.try_into().ok()?)).is_some()
    };
    assert!(fits(&config.grid()), "tokens of a clip");
    let [patch_height, patch_width] = config.patch_size.height_width();
    let [height, width] = config.image_size.height_width();
    assert!(fits(&[config.num_channels, config.tubelet_size, patch_height, patch_width]), "values of a tubelet");
    assert!(fits(&[config.num_frames, config.num_channels, height, width]), "values of a clip");
    assert_eq!(config.labels().len(), config.id2label.len());
}

/// One file, taken for each of our containers in turn: their signatures are the engine's business.
pub fn containers(input: &[u8]) {
    avi(input);
    mp4(input);
    mpeg4(input);
    transport(input);
    matroska::is_encrypted(input);
}

/// A run hands out no more bytes than the file holds, and every picture has a time.
fn avi(input: &[u8]) {
    let opened = AviVideo::open(FileSource::from_bytes(input)).now_or_never().expect("memory is ready at once");
    let Ok(Some(video)) = opened else { return };
    let moments = video.moments(0.0..f64::INFINITY).now_or_never().expect("memory is ready at once");
    let moments = moments.expect("a place outside the file is no place");
    assert!(moments.is_sorted() && moments.iter().all(|moment| (0.0..=video.seconds()).contains(moment)));
    let middle = moments.get(moments.len() / 2).copied().unwrap_or_default();
    drop(moments);
    for seconds in [0.0, middle, video.seconds()] {
        let run = video.run_from(seconds).now_or_never().expect("memory is ready at once");
        let mut run = run.expect("a place outside the file is no place");
        let mut bytes = 0;
        while let Ok(Some(packet)) = run.next().now_or_never().expect("memory is ready at once") {
            bytes += packet.data.len();
            assert!((0.0..=video.seconds()).contains(&packet.time));
        }
        assert!(bytes <= input.len(), "packets of {bytes} bytes");
    }
}

/// A run hands out no more bytes than the file holds, and every picture has a time of its own run.
fn transport(input: &[u8]) {
    let opened = TransportVideo::open(FileSource::from_bytes(input)).now_or_never().expect("memory is ready at once");
    let Ok(Opened::Mpeg4(video)) = opened else { return };
    let moments = video.moments(f64::NEG_INFINITY..f64::INFINITY);
    assert!(moments.is_sorted() && moments.iter().all(|moment| moment.is_finite()));
    assert!(moments.last().is_none_or(|last| *last <= video.end()), "the last picture comes before the end");
    let middle = moments.get(moments.len() / 2).copied().unwrap_or_default();
    drop(moments);
    for seconds in [f64::NEG_INFINITY, middle, video.end()] {
        let mut run = video.run_from(seconds);
        let mut bytes = 0;
        while let Ok(Some(packet)) = run.next().now_or_never().expect("memory is ready at once") {
            bytes += packet.data.len();
        }
        assert!(bytes <= input.len(), "packets of {bytes} bytes");
    }
}

/// What the edits make of a time is a time, and `stored` finds the way back.
fn mp4(input: &[u8]) {
    let source = FileSource::from_bytes(input);
    let (start, movie) =
        mp4::movie(&source).now_or_never().expect("memory is ready at once").expect("it is in the file");
    drop(source);
    assert!(input.get(start as usize..).is_some_and(|rest| rest.starts_with(&movie)));
    mp4::configuration(&movie);
    mp4::is_encrypted(&movie);
    assert!(mp4::short_colours(&movie).is_none_or(|place| place < movie.len()));
    assert!(mp4::boxes(input).map(|(_, contents)| contents.len() + 8).sum::<usize>() <= input.len() + 8);
    let edits = Edits::read(&movie);
    for time in [-1.0, 0.0, 0.04, 1.0, 60.0, 1e6] {
        let Some(shown) = edits.shown(time) else { continue };
        assert!(shown.is_finite());
        let stored = edits.stored(shown);
        // What lies before the first edit stays as it is.
        let tolerance = 1e-9 * shown.abs().max(stored.abs()).max(1.0);
        assert!(
            stored <= time + tolerance || shown == time,
            "{time} s is shown at {shown} s, which is found at {stored} s"
        );
        assert!(!edits.end(time).is_nan());
    }
}

/// VOPs lie side by side in the chunk; and each of any order of kinds is shown at a moment of its own.
fn mpeg4(input: &[u8]) {
    colour(input);
    let mut end = 0;
    for vop in Headers::default().vops(input) {
        assert!(end <= vop.bytes.start && vop.bytes.start < vop.bytes.end && vop.bytes.end <= input.len());
        end = vop.bytes.end;
    }
    let mut order = Reorder::default();
    let mut shown = vec![false; input.len()];
    let mut show = |moment: f64| assert!(!std::mem::replace(&mut shown[moment as usize], true), "shown twice");
    for (index, byte) in input.iter().enumerate() {
        order.moment(index as f64);
        order.push((), [Kind::Bidirectional, Kind::Predicted, Kind::Intra][usize::from(byte % 3)]);
        std::iter::from_fn(|| order.pop()).for_each(|((), moment)| show(moment));
    }
    order.finish();
    std::iter::from_fn(|| order.pop()).for_each(|((), moment)| show(moment));
    assert!(shown.iter().all(|shown| *shown), "each is shown");
}

/// Files that a folder has beside its list.
const FILES: usize = 64;

/// The first byte says how the list's name ends and where labels come from, and the first line is a pattern. The files
/// are those that the list names.
pub fn lists(input: &[u8]) {
    if let Some(list) = List::of(input) {
        list.label(list.read());
    }
}

pub struct List {
    kind: u8,
    pattern: String,
    pub text: String,
}

impl List {
    pub fn of(input: &[u8]) -> Option<Self> {
        let (&kind, rest) = input.split_first()?;
        let text = String::from_utf8_lossy(rest);
        let (pattern, text) = text.split_once('\n').unwrap_or(("{label}_#", &text));
        Some(Self { kind, pattern: pattern.to_string(), text: text.to_string() })
    }

    fn ending(&self) -> &'static str {
        let endings = ["csv", "tsv", "txt", "json", "jsonl"];
        endings[usize::from(self.kind) % endings.len()]
    }

    pub fn read(&self) -> Option<list::List> {
        list::read(&format!("list.{}", self.ending()), &self.text)
    }

    /// Rows that the text can have: a line each, or in JSON something with a name each.
    pub fn most_rows(&self) -> usize {
        let ends: &[char] = if self.ending() == "json" { &[':'] } else { &['\n', '\r'] };
        (1 + self.text.matches(ends).count()).min(list::MOST_ROWS)
    }

    pub fn label(&self, list: Option<list::List>) {
        let rows = list.iter().flat_map(|list| &list.rows);
        for part in rows.clone().filter_map(|row| row.part) {
            assert!(0.0 <= part.start && part.start < part.end && part.end.is_finite());
        }
        let files: BTreeSet<String> = rows.map(|row| format!("{}.mp4", row.path)).take(FILES).collect();
        let files: Vec<String> = files.into_iter().collect();
        if let Ok(pattern) = Pattern::parse(&self.pattern) {
            for file in &files {
                let told = pattern.read(file).unwrap_or_default();
                assert!([told.label, told.group].iter().flatten().all(|part| !part.is_empty() && file.contains(part)));
            }
        }
        let lists: Vec<_> = list.into_iter().collect();
        let pattern = self.pattern.clone();
        let labels = match self.kind / 5 % 4 {
            0 => Labels::Automatic,
            1 => Labels::Lists,
            2 => Labels::Folders,
            _ => Labels::Names(pattern.clone()),
        };
        let labelling = Labelling { labels, groups: Groups::Pattern(pattern), ..Labelling::default() };
        let listing = Listing::new(&files, &lists, &labelling);
        assert!(listing.videos.iter().all(|(video, _)| files.contains(&video.path)), "a video is a file");
        assert_eq!(listing, Listing::new(&files, &lists, &labelling), "the same names tell the same");
    }
}
