//! A run's numbers as a TensorBoard event file, under the tags that transformers' `TensorBoardCallback` gives them.
//!
//! Comes in: a [`RunRecord`] with the time of each step, and when it was kept. Goes out: bytes, for a file that is named by [`file_name`].
//! Sources: `rewrite_logs` in transformers' integration_utils.py; event.proto, summary.proto and record_writer.py of
//! TensorBoard. Written by hand: the three messages have eight fields between them.

use super::history::{Entry, Logged, history};
use crate::train::record::RunRecord;
use crate::train::settings::Metric;

/// What the first event of a file says.
const VERSION: &str = "brain.Event:2";

/// The name that TensorBoard looks for.
pub fn file_name(wall_time: f64) -> String {
    format!("events.out.tfevents.{wall_time:.0}.cliptune")
}

/// The event file of a run, whose events have the times of their steps, in seconds since 1970, UTC. `kept`, when the
/// record was, stands in where a record is from before times were.
pub fn events(record: &RunRecord, kept: f64) -> Vec<u8> {
    let time = |step: usize| {
        let done = step.checked_sub(1).and_then(|index| record.steps.get(index));
        done.or(record.steps.first()).and_then(|step| step.time).unwrap_or(kept)
    };
    let by_f1 = record.settings.selection.metric_for_best_model == Metric::F1;
    let mut file = Vec::new();
    append(&mut file, &event(time(0), 0, (3, VERSION.as_bytes())));
    let mut scalars = |step: usize, values: &[(&str, f32)]| {
        // Without labels nothing is right or wrong.
        let told = |(tag, _): &&(&str, f32)| record.pretraining.is_none() || !tag.ends_with("accuracy");
        for (tag, value) in values.iter().filter(told) {
            append(&mut file, &event(time(step), step, (5, &scalar(tag, *value))));
        }
    };
    for Entry { step, epoch, logged } in history(record) {
        match logged {
            Logged::Step(logged) => scalars(
                step,
                &[
                    ("train/loss", logged.loss),
                    ("train/accuracy", logged.accuracy),
                    ("train/grad_norm", logged.gradient_norm),
                    ("train/learning_rate", logged.learning_rate as f32),
                    ("train/epoch", epoch as f32),
                ],
            ),
            Logged::Evaluation(evaluation) => {
                let f1 = evaluation.score.filter(|_| by_f1).map(|score| ("eval/f1", score));
                let of_all = [("eval/loss", evaluation.loss), ("eval/accuracy", evaluation.accuracy)];
                // The callback writes each log's epoch, an evaluation's too, under this tag.
                let epoch = ("train/epoch", epoch as f32);
                scalars(step, &of_all.into_iter().chain(f1).chain([epoch]).collect::<Vec<_>>());
            }
        }
    }
    if let Some(test) = &record.test {
        let evaluation = test.evaluation;
        scalars(record.progress.step, &[("test/loss", evaluation.loss), ("test/accuracy", evaluation.accuracy)]);
    }
    file
}

/// `Event`: wall_time = 1, step = 2, and one of file_version = 3 and summary = 5.
fn event(wall_time: f64, step: usize, what: (u8, &[u8])) -> Vec<u8> {
    let mut message = vec![1 << 3 | 1];
    message.extend(wall_time.to_le_bytes());
    message.push(2 << 3);
    varint(&mut message, step as u64);
    field(&mut message, what.0, what.1);
    message
}

/// `Summary` with one value = 1, which has tag = 1 and simple_value = 2.
fn scalar(tag: &str, value: f32) -> Vec<u8> {
    let mut of_value = Vec::new();
    field(&mut of_value, 1, tag.as_bytes());
    of_value.push(2 << 3 | 5);
    of_value.extend(value.to_le_bytes());
    let mut summary = Vec::new();
    field(&mut summary, 1, &of_value);
    summary
}

/// A protobuf field of bytes, a text or a message, whose number is below 16.
fn field(message: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    message.push(number << 3 | 2);
    varint(message, bytes.len() as u64);
    message.extend(bytes);
}

/// Protobuf's numbers: seven bits a byte, the lowest first.
fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// A record of the file: its length, the length's checksum, itself, its checksum.
fn append(file: &mut Vec<u8>, message: &[u8]) {
    let length = (message.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(masked_checksum(&length).to_le_bytes());
    file.extend(message);
    file.extend(masked_checksum(message).to_le_bytes());
}

fn masked_checksum(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli, RFC 3720), a byte at a time.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut remainder = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                remainder = if remainder & 1 == 1 { remainder >> 1 ^ 0x82f6_3b78 } else { remainder >> 1 };
                bit += 1;
            }
            table[byte] = remainder;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |sum: u32, byte| {
        let [low, ..] = (sum ^ u32::from(*byte)).to_le_bytes();
        sum >> 8 ^ TABLE[usize::from(low)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a file, each checksum right.
    fn messages(mut file: &[u8]) -> Vec<&[u8]> {
        let mut messages = Vec::new();
        while !file.is_empty() {
            let (length, rest) = file.split_at(8);
            let (sum, rest) = rest.split_at(4);
            assert_eq!(sum, masked_checksum(length).to_le_bytes());
            let (message, rest) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
            let (sum, rest) = rest.split_at(4);
            assert_eq!(sum, masked_checksum(message).to_le_bytes());
            messages.push(message);
            file = rest;
        }
        messages
    }

    #[test]
    fn the_checksum_is_the_standards() {
        // RFC 3720, section B.4, and the check value of the catalogue of CRCs.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    #[test]
    fn records_hold_their_messages_byte_by_byte() {
        let mut file = Vec::new();
        append(&mut file, &event(1.5, 0, (3, b"brain.Event:2")));
        append(&mut file, &event(1.5, 300, (5, &scalar("train/loss", 0.5))));
        let [first, second] = messages(&file).try_into().unwrap();
        assert_eq!(first, b"\x09\0\0\0\0\0\0\xf8\x3f\x10\0\x1a\x0dbrain.Event:2");
        assert_eq!(second, b"\x09\0\0\0\0\0\0\xf8\x3f\x10\xac\x02\x2a\x13\x0a\x11\x0a\x0atrain/loss\x15\0\0\0\x3f");
    }
}
