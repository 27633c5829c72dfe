//! The right sides of the encoder's products: weights, and keys and values of a head.
#![expect(
    clippy::inline_always,
    reason = "a vector function has the instructions of the function it is compiled into"
)]

use fearless_simd::prelude::*;
use fearless_simd::{Simd, f32x16, i8x64, u8x64};

use crate::matmul::{LANES, Panel, Part, Right};
use crate::shape::{GROUP, HEAD_WIDTH};
use crate::weights::{Linear, Weights};

/// Weights as the right side.
pub(crate) struct Map<'a> {
    pub(crate) weights: &'a Weights,
    pub(crate) linear: &'a Linear,
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
            let scale = f32x16::load_array_ref(simd, scale);
            for (wide, weights) in wide.chunks_exact_mut(4).zip(weights.chunks_exact(4)) {
                let widened = widen(simd, weights.as_flattened());
                for (wide, widened) in wide.iter_mut().zip(widened) {
                    (widened * scale).store_slice(wide);
                }
            }
        }
        quantised.bias
    }
}

/// The f32 of 64 bytes that are int8.
#[inline(always)]
fn widen<S: Simd>(simd: S, bytes: &[u8]) -> [f32x16<S>; 4] {
    let bytes: i8x64<S> = u8x64::from_slice(simd, bytes).bitcast();
    let (low, high) = bytes.widen();
    let (a, b) = low.widen();
    let (c, d) = high.widen();
    [a.to_float(), b.to_float(), c.to_float(), d.to_float()]
}

/// The keys of one head as the right side: a column for each token.
pub(crate) struct Keys<'a> {
    keys: Part<'a>,
    tokens: usize,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(keys: Part<'a>, tokens: usize) -> Self {
        Self { keys, tokens }
    }
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
pub(crate) struct Values<'a> {
    values: Part<'a>,
    tokens: usize,
}

impl<'a> Values<'a> {
    pub(crate) fn new(values: Part<'a>, tokens: usize) -> Self {
        Self { values, tokens }
    }
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
