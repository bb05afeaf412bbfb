//! softmax(Q K^T / sqrt(d)) V of every head, some rows of scores at a time: no more of them is ever there.
//!
//! Queries, keys, values and outputs are [B, N, H * d], as projections give them: heads stand side by side in a row and
//! are never moved apart. The backward pass computes the scores anew from each row's log of the sum of exponentials
//! (FlashAttention, Dao et al. 2022, sections 3.1 and B.4).

use super::exponential::exp;
use super::product::{Matrix, product};

/// Sizes of an attention.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// B: clips.
    pub batch: usize,
    /// N: tokens of a clip.
    pub tokens: usize,
    /// H.
    pub heads: usize,
    /// d: numbers of a token that a head sees.
    pub head_width: usize,
}

/// What the backward pass reads.
pub struct Kept<'a> {
    /// [B, N, H * d], as are `key`, `value` and `output`.
    pub query: &'a [f32],
    pub key: &'a [f32],
    pub value: &'a [f32],
    pub output: &'a [f32],
    /// [B, H, N]: ln of the sum of e^score of a query's row.
    pub log_sums: &'a [f32],
}

/// Bytes of scores that are there at once: what a core's second-level cache holds beside keys and values.
const SCORES: usize = 256 << 10;
/// Numbers that are summed side by side.
const LANES: usize = 8;

impl Sizes {
    fn width(&self) -> usize {
        self.heads * self.head_width
    }

    /// Numbers of a clip's queries.
    fn clip(&self) -> usize {
        self.tokens * self.width()
    }

    /// Queries whose scores are there at once.
    fn rows(&self) -> usize {
        (SCORES / 4 / self.tokens.max(1)).clamp(8, 256).min(self.tokens)
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_width as f32).sqrt()
    }

    /// Tokens `from..from + count` of a head, in a clip's slice.
    fn head(&self, head: usize, from: usize, count: usize) -> Matrix {
        Matrix {
            start: from * self.width() + head * self.head_width,
            rows: count,
            columns: self.head_width,
            row_stride: self.width(),
            column_stride: 1,
        }
    }

    /// Each head with each run of its queries: head, first query, how many.
    fn runs(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let (tokens, rows) = (self.tokens, self.rows().max(1));
        (0..self.heads)
            .flat_map(move |head| (0..tokens).step_by(rows).map(move |from| (head, from, rows.min(tokens - from))))
    }
}

/// Fills `output` [B, N, H * d] and `log_sums` [B, H, N].
///
/// # Panics
/// Where a slice is not as long as `sizes` say.
pub fn forward(sizes: Sizes, [query, key, value]: [&[f32]; 3], output: &mut [f32], log_sums: &mut [f32]) {
    let (clip, rows) = (sizes.clip(), sizes.heads * sizes.tokens);
    assert!([query, key, value].iter().all(|slice| slice.len() == sizes.batch * clip));
    assert!(output.len() == sizes.batch * clip && log_sums.len() == sizes.batch * rows);
    if clip == 0 {
        return;
    }
    let clips = output.chunks_mut(clip).zip(log_sums.chunks_mut(rows)).collect::<Vec<_>>();
    each(clips, |index, (output, log_sums)| {
        let inputs = [query, key, value].map(|slice| &slice[index * clip..][..clip]);
        forward_clip(sizes, inputs, output, log_sums);
    });
}

/// Does the work for each, on all cores where there are several.
fn each<T: Send>(clips: Vec<T>, work: impl Fn(usize, T) + Sync) {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        clips.into_par_iter().enumerate().for_each(|(index, clip)| work(index, clip));
    }
    #[cfg(not(feature = "rayon"))]
    clips.into_iter().enumerate().for_each(|(index, clip)| work(index, clip));
}

fn forward_clip(sizes: Sizes, [query, key, value]: [&[f32]; 3], output: &mut [f32], log_sums: &mut [f32]) {
    let mut scores = vec![0.0; sizes.rows() * sizes.tokens];
    for (head, from, count) in sizes.runs() {
        let table = Matrix::dense(count, sizes.tokens);
        let all = sizes.head(head, 0, sizes.tokens);
        let these = sizes.head(head, from, count);
        product((&mut scores, table), (query, these), (key, all.transposed()), sizes.scale(), false);
        let log_sums = &mut log_sums[head * sizes.tokens + from..][..count];
        for (row, log_sum) in scores.chunks_exact_mut(sizes.tokens).zip(log_sums) {
            *log_sum = softmax(row);
        }
        product((output, these), (&scores, table), (value, all), 1.0, false);
    }
}

/// A row of scores becomes probabilities; ln of the sum of e^score.
fn softmax(row: &mut [f32]) -> f32 {
    let largest = largest(row);
    let mut sums = [0.0; LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (score, sum) in chunk.iter_mut().zip(&mut sums) {
            *score = exp(*score - largest);
            *sum += *score;
        }
    }
    for score in rest {
        *score = exp(*score - largest);
        sums[0] += *score;
    }
    let sum = sums.iter().sum::<f32>();
    let share = 1.0 / sum;
    row.iter_mut().for_each(|score| *score *= share);
    largest + sum.ln()
}

fn largest(row: &[f32]) -> f32 {
    let larger = |one: f32, other: f32| if one > other { one } else { other };
    let mut largest = [f32::MIN; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (largest, &score) in largest.iter_mut().zip(chunk) {
            *largest = larger(*largest, score);
        }
    }
    largest.iter().chain(rest).copied().fold(f32::MIN, larger)
}

/// Gradients of query, key and value from the output's, all [B, N, H * d].
///
/// # Panics
/// Where a slice is not as long as `sizes` say.
pub fn backward(sizes: Sizes, kept: &Kept, gradient: &[f32]) -> [Vec<f32>; 3] {
    let (clip, rows) = (sizes.clip(), sizes.heads * sizes.tokens);
    let all = sizes.batch * clip;
    assert!([kept.query, kept.key, kept.value, kept.output, gradient].iter().all(|slice| slice.len() == all));
    assert!(kept.log_sums.len() == sizes.batch * rows);
    let mut gradients = [vec![0.0; all], vec![0.0; all], vec![0.0; all]];
    if clip == 0 {
        return gradients;
    }
    let [for_query, for_key, for_value] = gradients.each_mut().map(|gradient| gradient.chunks_mut(clip));
    let clips = for_query.zip(for_key).zip(for_value).collect::<Vec<_>>();
    each(clips, |index, ((for_query, for_key), for_value)| {
        let range = index * clip..(index + 1) * clip;
        let kept = Kept {
            query: &kept.query[range.clone()],
            key: &kept.key[range.clone()],
            value: &kept.value[range.clone()],
            output: &kept.output[range.clone()],
            log_sums: &kept.log_sums[index * rows..][..rows],
        };
        backward_clip(sizes, &kept, &gradient[range], [for_query, for_key, for_value]);
    });
    gradients
}

fn backward_clip(sizes: Sizes, kept: &Kept, gradient: &[f32], [for_query, for_key, for_value]: [&mut [f32]; 3]) {
    let mut probabilities = vec![0.0; sizes.rows() * sizes.tokens];
    let mut slopes = probabilities.clone();
    for (head, from, count) in sizes.runs() {
        let table = Matrix::dense(count, sizes.tokens);
        let all = sizes.head(head, 0, sizes.tokens);
        let these = sizes.head(head, from, count);
        product((&mut probabilities, table), (kept.query, these), (kept.key, all.transposed()), sizes.scale(), false);
        product((&mut slopes, table), (gradient, these), (kept.value, all.transposed()), 1.0, false);
        let tables = probabilities.chunks_exact_mut(sizes.tokens).zip(slopes.chunks_exact_mut(sizes.tokens));
        for (query, (probabilities, slopes)) in tables.enumerate().take(count) {
            let log_sum = kept.log_sums[head * sizes.tokens + from + query];
            let place = these.start + query * these.row_stride;
            let [output, gradient] = [kept.output, gradient].map(|slice| &slice[place..place + sizes.head_width]);
            let through = output.iter().zip(gradient).map(|(output, gradient)| output * gradient).sum::<f32>();
            for (probability, slope) in probabilities.iter_mut().zip(slopes) {
                *probability = exp(*probability - log_sum);
                *slope = *probability * (*slope - through);
            }
        }
        product((for_value, all), (&probabilities, table.transposed()), (gradient, these), 1.0, true);
        product((for_query, these), (&slopes, table), (kept.key, all), sizes.scale(), false);
        product((for_key, all), (&slopes, table.transposed()), (kept.query, these), sizes.scale(), true);
    }
}

#[cfg(test)]
#[path = "attention_tests.rs"]
mod tests;
