//! The encoder: six transformer layers over the tokens, then the mean of what they say (Devlin et
//! al. 2018, <https://arxiv.org/abs/1810.04805>).

use fearless_simd::{Level, Simd, dispatch};

use crate::kernel::{gelu, normalise, softmax};
use crate::matmul::{LANES, Matrix, Right as _, multiply};
use crate::operands::{Keys, Map, Values};
use crate::shape::{HEAD_WIDTH, HEADS, INNER, WIDTH};
use crate::weights::{Layer, Norm, Weights};

/// The vector of a text with these tokens, of length one.
pub(crate) fn embed(weights: &Weights, tokens: &[u16]) -> Vec<f32> {
    embed_at(Level::new(), weights, tokens)
}

/// With the instructions of `level`.
pub(crate) fn embed_at(level: Level, weights: &Weights, tokens: &[u16]) -> Vec<f32> {
    let states = dispatch!(level, simd => encode(simd, weights, tokens));
    let mut pooled = vec![0.0; WIDTH];
    for row in states.rows().take(tokens.len()) {
        for (sum, state) in pooled.iter_mut().zip(row) {
            *sum += state;
        }
    }
    let length = pooled.iter().map(|x: &f32| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for x in &mut pooled {
            *x /= length;
        }
    }
    pooled
}

fn encode<S: Simd>(simd: S, weights: &Weights, tokens: &[u16]) -> Matrix {
    let mut states = Matrix::new(tokens.len(), WIDTH);
    for ((position, token), row) in tokens.iter().enumerate().zip(states.rows_mut()) {
        for (state, input) in row.iter_mut().zip(weights.input(*token, position)) {
            *state = input;
        }
    }
    normalise_rows(simd, &mut states, weights.norm());
    let mut encoder = Encoder::new(simd, weights, tokens.len());
    for layer in weights.layers() {
        encoder.layer(layer, &mut states);
    }
    states
}

/// The layers' room to compute in, which they use one after the other.
struct Encoder<'a, S> {
    simd: S,
    weights: &'a Weights,
    tokens: usize,
    /// Query, key and value of each token, side by side.
    joined: Matrix,
    /// Of one head: what share each token (column) has in another one's mixture (row).
    shares: Matrix,
    mixed: Matrix,
    inner: Matrix,
    summand: Matrix,
}

impl<'a, S: Simd> Encoder<'a, S> {
    fn new(simd: S, weights: &'a Weights, tokens: usize) -> Self {
        Self {
            simd,
            weights,
            tokens,
            joined: Matrix::new(tokens, 3 * WIDTH),
            shares: Matrix::new(tokens, tokens.next_multiple_of(LANES)),
            mixed: Matrix::new(tokens, WIDTH),
            inner: Matrix::new(tokens, INNER),
            summand: Matrix::new(tokens, WIDTH),
        }
    }

    fn layer(&mut self, layer: &Layer, states: &mut Matrix) {
        let (simd, weights) = (self.simd, self.weights);
        let linear = |linear, input: &Matrix, product: &mut Matrix| {
            let columns = 0..product.columns();
            let map = Map { weights, linear };
            multiply(simd, &input.part(0..map.depth()), &map, product, columns);
        };
        linear(&layer.query_key_value, states, &mut self.joined);
        for head in 0..HEADS {
            self.attend(head * HEAD_WIDTH);
        }
        linear(&layer.attention_output, &self.mixed, &mut self.summand);
        join(simd, states, &self.summand, &layer.attention_norm);

        linear(&layer.intermediate, states, &mut self.inner);
        let inner = self.inner.elements_mut();
        simd.vectorize(
            #[inline(always)]
            || gelu(simd, inner),
        );
        linear(&layer.output, &self.inner, &mut self.summand);
        join(simd, states, &self.summand, &layer.output_norm);
    }

    /// Mixes what the tokens say, in the head whose columns begin at `start` (Vaswani et al. 2017,
    /// <https://arxiv.org/abs/1706.03762>).
    fn attend(&mut self, start: usize) {
        let (simd, tokens) = (self.simd, self.tokens);
        let part = |start: usize| self.joined.part(start..start + HEAD_WIDTH);
        let keys = Keys::new(part(WIDTH + start), tokens);
        let columns = 0..self.shares.columns();
        multiply(simd, &part(start), &keys, &mut self.shares, columns);
        let shares = &mut self.shares;
        simd.vectorize(
            #[inline(always)]
            || {
                for row in shares.rows_mut() {
                    softmax(simd, row, tokens);
                }
            },
        );
        let values = Values::new(part(2 * WIDTH + start), tokens);
        let shares = self.shares.part(0..tokens);
        let columns = start..start + HEAD_WIDTH;
        multiply(simd, &shares, &values, &mut self.mixed, columns);
    }
}

/// Adds what a block says to the states it read.
fn join<S: Simd>(simd: S, states: &mut Matrix, summand: &Matrix, norm: &Norm) {
    for (states, summand) in states.rows_mut().zip(summand.rows()) {
        for (state, summand) in states.iter_mut().zip(summand) {
            *state += summand;
        }
    }
    normalise_rows(simd, states, norm);
}

fn normalise_rows<S: Simd>(simd: S, states: &mut Matrix, norm: &Norm) {
    simd.vectorize(
        #[inline(always)]
        || {
            for row in states.rows_mut() {
                normalise(simd, row, norm);
            }
        },
    );
}
