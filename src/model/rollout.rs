//! Attention roll-out: which tokens of a clip an answer rested on.
//!
//! Comes in: `pixel_values` [B, T, C, H, W]. Goes out: a share for each token, [B, N], in the tokens' own order.
//!
//! Source: Abnar and Zuidema, Quantifying Attention Flow in Transformers, ACL 2020, section 3. A layer adds what attention
//! gathers to what came in, so half of a token is taken to be itself: with A the layer's attention, averaged over its
//! heads, (A + I) / 2, whose rows sum to 1 as A's do. The product over all layers tells what of the input each token of the
//! output is made of. The paper reads the row of a class token. VideoMAE has none: where the head sees the mean of all
//! tokens, the mean of all rows is what it sees; where it sees the first token, that one's row.

use burn::tensor::Tensor;

use super::classifier::VideoMae;

impl VideoMae {
    /// [B, T, C, H, W] -> [B, N]; each clip's shares sum to 1. Beside a forward pass it holds two [B, N, N] at a time, less
    /// than the scores of a layer's heads.
    pub fn rollout(&self, pixel_values: Tensor<5>) -> Tensor<2> {
        let mut tokens = self.embeddings.forward(pixel_values);
        let [batch, count, _] = tokens.dims();
        let mut rolled = Tensor::<2>::eye(count, &tokens.device()).unsqueeze::<3>().repeat_dim(0, batch);
        for layer in &self.layers {
            let attention = layer.attention.probabilities(layer.norm_before.forward(tokens.clone()));
            let attention = attention.mean_dim(1).reshape([batch, count, count]);
            rolled = (attention.matmul(rolled.clone()) + rolled) / 2.0;
            tokens = layer.forward(tokens);
        }
        let seen = match &self.pooled_norm {
            Some(_) => rolled.mean_dim(1),
            None => rolled.slice([0..batch, 0..1]),
        };
        seen.reshape([batch, count])
    }
}
