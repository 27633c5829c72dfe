//! The encoder: six transformer layers over the tokens, then the mean of what they say (Devlin et
//! al. 2018, <https://arxiv.org/abs/1810.04805>).
#![expect(
    clippy::inline_always,
    reason = "a vector function has the instructions of the function it is compiled into"
)]

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, dispatch, f32x16};

use crate::kernel::{gelu, normalise, softmax};
use crate::matmul::{LANES, Matrix, Panel, Part, Right, multiply};
use crate::shape::{GROUP, HEAD_WIDTH, HEADS, INNER, WIDTH};
use crate::weights::{Layer, Linear, Norm, Weights};

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
    let encoder = Encoder {
        simd,
        weights,
        tokens: tokens.len(),
    };
    for layer in weights.layers() {
        encoder.layer(layer, &mut states);
    }
    states
}

struct Encoder<'a, S> {
    simd: S,
    weights: &'a Weights,
    tokens: usize,
}

impl<S: Simd> Encoder<'_, S> {
    fn layer(&self, layer: &Layer, states: &mut Matrix) {
        let mixed = self.attention(layer, states);
        let mixed = self.linear(&layer.attention_output, &mixed, WIDTH);
        self.join(states, &mixed, &layer.attention_norm);

        let mut inner = self.linear(&layer.intermediate, states, INNER);
        let simd = self.simd;
        simd.vectorize(
            #[inline(always)]
            || gelu(simd, inner.elements_mut()),
        );
        let outer = self.linear(&layer.output, &inner, WIDTH);
        self.join(states, &outer, &layer.output_norm);
    }

    /// Adds what a block says to the states it read.
    fn join(&self, states: &mut Matrix, summand: &Matrix, norm: &Norm) {
        for (states, summand) in states.rows_mut().zip(summand.rows()) {
            for (state, summand) in states.iter_mut().zip(summand) {
                *state += summand;
            }
        }
        normalise_rows(self.simd, states, norm);
    }

    /// Every token's mixture of what all tokens say, each head for itself (Vaswani et al. 2017,
    /// <https://arxiv.org/abs/1706.03762>).
    fn attention(&self, layer: &Layer, states: &Matrix) -> Matrix {
        let simd = self.simd;
        let joined = self.linear(&layer.query_key_value, states, 3 * WIDTH);
        let keys = self.tokens.next_multiple_of(LANES);
        let mut scores = Matrix::new(self.tokens, keys);
        let mut mixed = Matrix::new(self.tokens, WIDTH);
        for head in 0..HEADS {
            let start = head * HEAD_WIDTH;
            let part = |offset: usize| joined.part(offset + start..offset + start + HEAD_WIDTH);
            let keys_of_head = Keys {
                keys: part(WIDTH),
                tokens: self.tokens,
            };
            multiply(simd, &part(0), &keys_of_head, &mut scores, 0..keys);
            simd.vectorize(
                #[inline(always)]
                || {
                    for row in scores.rows_mut() {
                        softmax(simd, row, self.tokens);
                    }
                },
            );
            let values = Values {
                values: part(2 * WIDTH),
                tokens: self.tokens,
            };
            let shares = scores.part(0..self.tokens);
            multiply(
                simd,
                &shares,
                &values,
                &mut mixed,
                start..start + HEAD_WIDTH,
            );
        }
        mixed
    }

    fn linear(&self, linear: &Linear, input: &Matrix, outputs: usize) -> Matrix {
        let mut product = Matrix::new(self.tokens, outputs);
        let right = Map {
            weights: self.weights,
            linear,
        };
        let input = input.part(0..linear.inputs);
        multiply(self.simd, &input, &right, &mut product, 0..outputs);
        product
    }
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

/// Weights as the right side.
struct Map<'a> {
    weights: &'a Weights,
    linear: &'a Linear,
}

impl Right for Map<'_> {
    fn depth(&self) -> usize {
        self.linear.inputs
    }

    #[inline(always)]
    fn fill<S: Simd>(&self, simd: S, index: usize, panel: &mut Panel) -> [f32; LANES] {
        let quantised = self.weights.panel(self.linear, index).unwrap_or_default();
        let groups = quantised.weights.chunks_exact(GROUP);
        let groups = panel.chunks_exact_mut(GROUP).zip(groups);
        for ((wide, weights), scale) in groups.zip(quantised.scales) {
            // As one flat loop, which the compiler turns into vectors; by rows it does not.
            let flat = wide.as_flattened_mut().iter_mut();
            for (wide, weight) in flat.zip(weights.as_flattened()) {
                *wide = f32::from(weight.cast_signed());
            }
            let scale = f32x16::load_array_ref(simd, scale);
            for wide in wide {
                let scaled = f32x16::load_array_ref(simd, wide) * scale;
                scaled.store_slice(wide);
            }
        }
        quantised.bias
    }
}

/// The keys of one head as the right side: a column for each token.
struct Keys<'a> {
    keys: Part<'a>,
    tokens: usize,
}

impl Right for Keys<'_> {
    fn depth(&self) -> usize {
        HEAD_WIDTH
    }

    #[inline(always)]
    fn fill<S: Simd>(&self, _: S, index: usize, panel: &mut Panel) -> [f32; LANES] {
        /// 1 / √32, of the width of a head: keeps the scores from growing with it.
        const FACTOR: f32 = 0.176_776_7;
        const { assert!(HEAD_WIDTH == 32) };
        let keys = self.keys.rows().take(self.tokens).skip(index * LANES);
        for (lane, key) in keys.take(LANES).enumerate() {
            for (row, element) in panel.iter_mut().zip(key) {
                if let Some(place) = row.get_mut(lane) {
                    *place = *element * FACTOR;
                }
            }
        }
        [0.0; LANES]
    }
}

/// The values of one head as the right side: a row for each token.
struct Values<'a> {
    values: Part<'a>,
    tokens: usize,
}

impl Right for Values<'_> {
    fn depth(&self) -> usize {
        self.tokens
    }

    #[inline(always)]
    fn fill<S: Simd>(&self, _: S, index: usize, panel: &mut Panel) -> [f32; LANES] {
        for (row, value) in panel.iter_mut().zip(self.values.rows()) {
            let (vectors, _) = value.as_chunks::<LANES>();
            *row = vectors.get(index).copied().unwrap_or_default();
        }
        [0.0; LANES]
    }
}
