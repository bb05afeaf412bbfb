//! An mp4 file's edit list -> which of its pictures are shown, and when.
//!
//! Comes in: the index, and times as mediabunny tells them, which knows the start of the first edit only. Goes out: times
//! with all edits made (ISO/IEC 14496-12, 8.6.6). Never reads a file.

use super::mp4::boxes;

/// Two times nearer than this, in seconds, are one.
const SAME_TIME: f64 = 1e-6;
/// Each picture is held against all of them. Editors write a few.
const MOST_EDITS: usize = 4096;

/// The edits of the first video track. None of them where mediabunny's times are right as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits(Vec<Edit>);

/// A part of the track, in mediabunny's seconds, and how much later it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Edit {
    from: f64,
    until: f64,
    later: f64,
}

/// One entry of the list: seconds in the movie, and where in the track it starts, in seconds; none for a pause.
struct Entry {
    seconds: f64,
    start: Option<f64>,
}

impl Edits {
    /// `movie` holds the contents of the file's `moov` box.
    pub fn read(movie: &[u8]) -> Self {
        entries(movie).map(Self::of).unwrap_or_default()
    }

    fn of(entries: impl ExactSizeIterator<Item = Entry> + Clone) -> Self {
        let Some(first) = entries.clone().find_map(|entry| entry.start) else { return Self::default() };
        let pause: f64 = entries.clone().take_while(|entry| entry.start.is_none()).map(|entry| entry.seconds).sum();
        let mut edits = Vec::with_capacity(entries.len());
        let mut shown = 0.0;
        for entry in entries {
            if let Some(start) = entry.start {
                let from = start - first + pause;
                // Without a length, an edit goes on to the end.
                let until = if entry.seconds > 0.0 { from + entry.seconds } else { f64::INFINITY };
                edits.push(Edit { from, until, later: shown - from });
            }
            shown += entry.seconds;
        }
        Self(edits)
    }

    /// When the picture at `time` is shown; none where the edits leave it out.
    pub fn shown(&self, time: f64) -> Option<f64> {
        // What the first edit cuts away lies before 0 as it is.
        let first = self.0.first().map_or(0.0, |edit| edit.from);
        let inside = |edit: &&Edit| edit.from - SAME_TIME < time && time < edit.until - SAME_TIME;
        match self.0.as_slice() {
            [] => Some(time),
            _ if time < first - SAME_TIME => Some(time),
            edits => edits.iter().find(inside).map(|edit| time + edit.later),
        }
    }

    /// When the last of the edits ends, of a track that ends at `end`.
    pub fn end(&self, end: f64) -> f64 {
        self.0.iter().map(|edit| edit.until.min(end) + edit.later).reduce(f64::max).unwrap_or(end)
    }

    /// The earliest time that a picture shown from `time` on can have had before the edits were made.
    pub fn stored(&self, time: f64) -> f64 {
        let after = self.0.iter().filter(|edit| time < edit.until + edit.later);
        after.map(|edit| (time - edit.later).max(edit.from)).reduce(f64::min).unwrap_or(time)
    }
}

/// None where there are no edits, or where the file comes in fragments, whose lists are written before the lengths are known.
fn entries(movie: &[u8]) -> Option<impl ExactSizeIterator<Item = Entry> + Clone> {
    if find(movie, b"mvex").is_some() {
        return None;
    }
    let movie_ticks = ticks_a_second(find(movie, b"mvhd")?)?;
    let track = boxes(movie).filter(|(name, _)| name == b"trak").map(|(_, contents)| contents).find(|track| {
        let handler = find(track, b"mdia").and_then(|media| find(media, b"hdlr"));
        handler.and_then(|handler| handler.get(8..12)) == Some(b"vide")
    })?;
    let track_ticks = ticks_a_second(find(find(track, b"mdia")?, b"mdhd")?)?;
    let list = find(find(track, b"edts")?, b"elst")?;
    let is_long = *list.first()? == 1;
    let (rows, _) = list.get(8..)?.as_chunks::<4>();
    let number = |bytes: [u8; 4]| u64::from(u32::from_be_bytes(bytes));
    let entry = move |row: &[[u8; 4]]| match *row {
        [length, start, _] => (number(length), i64::from(i32::from_be_bytes(start))),
        [length_high, length, start_high, start, _] => {
            (number(length_high) << 32 | number(length), (number(start_high) << 32 | number(start)) as i64)
        }
        _ => (0, 0),
    };
    let rows = rows.chunks_exact(if is_long { 5 } else { 3 }).take(MOST_EDITS).map(entry);
    let seconds = |ticks: f64, a_second: u32| ticks / f64::from(a_second);
    Some(rows.map(move |(length, start)| Entry {
        seconds: seconds(length as f64, movie_ticks),
        start: (start >= 0).then(|| seconds(start as f64, track_ticks)),
    }))
}

/// Of an `mvhd` or `mdhd` box.
fn ticks_a_second(header: &[u8]) -> Option<u32> {
    let place = if *header.first()? == 1 { 20 } else { 12 };
    let ticks = u32::from_be_bytes(*header.get(place..)?.first_chunk()?);
    (ticks > 0).then_some(ticks)
}

fn find<'a>(outer: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(outer).find(|(name, _)| name == wanted).map(|(_, contents)| contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(entries: &[(f64, Option<f64>)]) -> Edits {
        Edits::of(entries.iter().map(|&(seconds, start)| Entry { seconds, start }))
    }

    fn boxed(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
        [&(8 + contents.len() as u32).to_be_bytes(), name.as_slice(), contents].concat()
    }

    #[test]
    fn what_lies_between_two_edits_is_left_out_and_what_follows_comes_earlier() {
        let edits = edits(&[(0.2, Some(1.0)), (0.5, Some(1.6))]);
        let shown: Vec<Option<f64>> = [-0.1, 0.0, 0.1, 0.2, 0.5, 0.6, 1.0, 1.1].map(|time| edits.shown(time)).to_vec();
        let expected = [Some(-0.1), Some(0.0), Some(0.1), None, None, Some(0.2), Some(0.6), None];
        for (time, expected) in shown.iter().zip(expected) {
            assert_eq!(time.is_some(), expected.is_some());
            assert!((time.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-9);
        }
        assert!((edits.stored(0.1) - 0.1).abs() < 1e-9 && (edits.stored(0.3) - 0.7).abs() < 1e-9);
    }

    #[test]
    fn a_pause_comes_first_and_a_length_of_nothing_goes_on_to_the_end() {
        let edits = edits(&[(0.5, None), (0.0, Some(2.0))]);
        assert_eq!((edits.shown(0.5), edits.shown(99.0), edits.shown(0.2)), (Some(0.5), Some(99.0), Some(0.2)));
        assert_eq!(Edits::default().shown(3.0), Some(3.0));
    }

    #[test]
    fn the_first_video_tracks_list_is_read_and_damage_anywhere_is_survived() {
        let numbers = |numbers: &[u32]| -> Vec<u8> { numbers.iter().flat_map(|number| number.to_be_bytes()).collect() };
        let list = boxed(b"edts", &boxed(b"elst", &numbers(&[0, 2, 200, 0, 1 << 16, 1000, 500, 1 << 16])));
        let media = |kind: &[u8]| [boxed(b"mdhd", &numbers(&[0, 0, 0, 600])), boxed(b"hdlr", kind)].concat();
        let track = |kind: &[u8], list: &[u8]| boxed(b"trak", &[list, &boxed(b"mdia", &media(kind))].concat());
        let tracks = [track(b"\0\0\0\0\0\0\0\0soun", &[]), track(b"\0\0\0\0\0\0\0\0vide", &list)].concat();
        let movie = [boxed(b"mvhd", &numbers(&[0, 0, 0, 6000])), tracks].concat();
        let found: Vec<(f64, Option<f64>)> =
            entries(&movie).unwrap().map(|entry| (entry.seconds, entry.start)).collect();
        assert_eq!(found, [(200.0 / 6000.0, Some(0.0)), (1000.0 / 6000.0, Some(500.0 / 600.0))]);
        for place in 0..movie.len() {
            entries(&movie[..place]);
            let mut damaged = movie.clone();
            damaged[place] ^= 0xff;
            entries(&damaged);
        }
        assert!(entries(&[movie, boxed(b"mvex", &[])].concat()).is_none());
    }
}
