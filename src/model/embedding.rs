//! Clips -> tubelets -> tokens with positions.
//!
//! Comes in: `pixel_values` [B, T, C, H, W]. Goes out: tokens [B, N, D], ordered by time, then row, then column.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};

use super::config::VideoMaeConfig;
use super::masking::Rows;

/// The tubelet projection (a Conv3d whose kernel is its stride, so one matrix product) and the fixed positions.
#[derive(Module, Debug)]
pub struct Embeddings {
    /// [C * t * h * w, D].
    pub projection: Linear,
    /// [1, N, D]; fixed, never trained, never on disk.
    positions: Tensor<3>,
    tubelet: usize,
    patch_height: usize,
    patch_width: usize,
}

impl Embeddings {
    pub fn new(config: &VideoMaeConfig, device: &Device) -> Self {
        let [patch_height, patch_width] = config.patch_size.height_width();
        let (tokens, width) = (config.tokens(), config.hidden_size);
        let table = TensorData::new(position_table(tokens, width), [1, tokens, width]);
        Self {
            projection: LinearConfig::new(config.tubelet_values(), width).init(device),
            positions: Tensor::from_data(table, device),
            tubelet: config.tubelet_size,
            patch_height,
            patch_width,
        }
    }

    /// N of a clip.
    pub fn tokens(&self) -> usize {
        let [_, tokens, _] = self.positions.dims();
        tokens
    }

    /// Cuts clips into tubelets: [B, T, C, H, W] -> [B, N, C * t * h * w].
    pub fn tubelets(&self, pixel_values: Tensor<5>) -> Tensor<3> {
        let [batch, frames, channels, height, width] = pixel_values.dims();
        let (t, h, w) = (self.tubelet, self.patch_height, self.patch_width);
        let (times, rows, columns) = (frames / t, height / h, width / w);
        pixel_values
            .reshape([batch, times, t, channels, rows, h, columns, w])
            .permute([0, 1, 4, 6, 3, 2, 5, 7])
            .reshape([batch, times * rows * columns, channels * t * h * w])
    }

    /// [B, T, C, H, W] -> [B, N, D].
    pub fn forward(&self, pixel_values: Tensor<5>) -> Tensor<3> {
        self.projection.forward(self.tubelets(pixel_values)) + self.positions.clone()
    }

    /// Some of the clips' tokens: tubelets [B, N, C * t * h * w] -> [B, V, D]. The others are never computed.
    pub fn forward_rows(&self, tubelets: Tensor<3>, rows: &Rows) -> Tensor<3> {
        self.projection.forward(rows.of(tubelets)) + rows.of_each(self.positions.clone())
    }
}

/// `get_sinusoid_encoding_table` of transformers' modeling_videomae.py, row by row: sine in even columns, cosine in odd
/// ones, frequency 10000^(-2 * (j / 2) / D). Computed in f64: f32 alone is off by 2e-4.
pub fn position_table(tokens: usize, width: usize) -> Vec<f32> {
    let mut table = Vec::with_capacity(tokens * width);
    for position in 0..tokens {
        for column in 0..width {
            let exponent = 2.0 * (column / 2) as f64 / width as f64;
            let angle = position as f64 / 10000f64.powf(exponent);
            table.push(if column % 2 == 0 { angle.sin() } else { angle.cos() } as f32);
        }
    }
    table
}
