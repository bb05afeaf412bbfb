//! softmax(Q K^T / sqrt(d)) V of every head, some rows of scores at a time: no more of them is ever there.
//!
//! Queries, keys and values are [B, N, 3 * H * d], as one product gives them, outputs [B, N, H * d]: heads stand side by side
//! in a row and are never moved apart. The backward pass computes the scores anew from each row's log of the sum of exponentials
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
    /// Queries, keys and values side by side, [B, N, 3 * H * d].
    pub projected: &'a [f32],
    /// [B, N, H * d].
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

    /// Numbers of a clip's output.
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

    /// Tokens `from..from + count` of a head's queries, keys or values, in a clip's slice.
    fn third(&self, which: Third, head: usize, from: usize, count: usize) -> Matrix {
        let row_stride = 3 * self.width();
        let start = from * row_stride + which as usize * self.width() + head * self.head_width;
        Matrix { start, row_stride, ..self.head(head, from, count) }
    }

    /// Tokens `from..from + count` of a head's output, in a clip's slice.
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

/// A third of what is projected.
#[derive(Clone, Copy)]
enum Third {
    Query = 0,
    Key = 1,
    Value = 2,
}

/// Fills `output` [B, N, H * d] and `log_sums` [B, H, N] from `projected` [B, N, 3 * H * d].
///
/// # Panics
/// Where a slice is not as long as `sizes` say.
pub fn forward(sizes: Sizes, projected: &[f32], output: &mut [f32], log_sums: &mut [f32]) {
    let (clip, rows) = (sizes.clip(), sizes.heads * sizes.tokens);
    assert!(projected.len() == sizes.batch * 3 * clip);
    assert!(output.len() == sizes.batch * clip && log_sums.len() == sizes.batch * rows);
    if clip == 0 {
        return;
    }
    let clips = output.chunks_mut(clip).zip(log_sums.chunks_mut(rows)).collect::<Vec<_>>();
    each(clips, |index, (output, log_sums)| {
        forward_clip(sizes, &projected[index * 3 * clip..][..3 * clip], output, log_sums);
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

fn forward_clip(sizes: Sizes, projected: &[f32], output: &mut [f32], log_sums: &mut [f32]) {
    let mut scores = vec![0.0; sizes.rows() * sizes.tokens];
    for (head, from, count) in sizes.runs() {
        let table = Matrix::dense(count, sizes.tokens);
        let [keys, values] = [Third::Key, Third::Value].map(|which| sizes.third(which, head, 0, sizes.tokens));
        let queries = sizes.third(Third::Query, head, from, count);
        product((&mut scores, table), (projected, queries), (projected, keys.transposed()), sizes.scale(), false);
        let log_sums = &mut log_sums[head * sizes.tokens + from..][..count];
        for (row, log_sum) in scores.chunks_exact_mut(sizes.tokens).zip(log_sums) {
            *log_sum = softmax(row);
        }
        product((output, sizes.head(head, from, count)), (&scores, table), (projected, values), 1.0, false);
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

/// The gradient of what was projected, [B, N, 3 * H * d], from the output's [B, N, H * d].
///
/// # Panics
/// Where a slice is not as long as `sizes` say.
pub fn backward(sizes: Sizes, kept: &Kept, gradient: &[f32]) -> Vec<f32> {
    let (clip, rows) = (sizes.clip(), sizes.heads * sizes.tokens);
    let all = sizes.batch * clip;
    assert!(kept.projected.len() == 3 * all && kept.output.len() == all && gradient.len() == all);
    assert!(kept.log_sums.len() == sizes.batch * rows);
    let mut found = vec![0.0; 3 * all];
    if clip == 0 {
        return found;
    }
    each(found.chunks_mut(3 * clip).collect(), |index, found| {
        let kept = Kept {
            projected: &kept.projected[index * 3 * clip..][..3 * clip],
            output: &kept.output[index * clip..][..clip],
            log_sums: &kept.log_sums[index * rows..][..rows],
        };
        backward_clip(sizes, &kept, &gradient[index * clip..][..clip], found);
    });
    found
}

fn backward_clip(sizes: Sizes, kept: &Kept, gradient: &[f32], found: &mut [f32]) {
    let projected = kept.projected;
    let mut probabilities = vec![0.0; sizes.rows() * sizes.tokens];
    let mut slopes = probabilities.clone();
    for (head, from, count) in sizes.runs() {
        let table = Matrix::dense(count, sizes.tokens);
        let [keys, values] = [Third::Key, Third::Value].map(|which| sizes.third(which, head, 0, sizes.tokens));
        let queries = sizes.third(Third::Query, head, from, count);
        let these = sizes.head(head, from, count);
        product(
            (&mut probabilities, table),
            (projected, queries),
            (projected, keys.transposed()),
            sizes.scale(),
            false,
        );
        product((&mut slopes, table), (gradient, these), (projected, values.transposed()), 1.0, false);
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
        product((found, values), (&probabilities, table.transposed()), (gradient, these), 1.0, true);
        product((found, queries), (&slopes, table), (projected, keys), sizes.scale(), false);
        product((found, keys), (&slopes, table.transposed()), (projected, queries), sizes.scale(), true);
    }
}

#[cfg(test)]
#[path = "attention_tests.rs"]
mod tests;
