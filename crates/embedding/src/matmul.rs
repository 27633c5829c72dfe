//! Products of matrices, six rows by sixteen columns at a time.
//!
//! The right side comes in panels of sixteen columns. A panel is widened to f32 once, stays in the
//! first cache levels, and meets every row of the left side; twelve or six sums stay in registers
//! (Goto and van de Geijn 2008, <https://doi.org/10.1145/1356052.1356053>).
#![expect(
    clippy::inline_always,
    reason = "a vector function has the instructions of the function it is compiled into"
)]

use std::ops::Range;

use fearless_simd::prelude::*;
use fearless_simd::{Simd, f32x16};

/// Columns of a panel: the elements of one vector.
pub(crate) const LANES: usize = 16;

/// Rows that are multiplied together. Six sums of two 256-bit registers each leave four of the
/// sixteen registers for what is multiplied.
const ROWS: usize = 6;

/// Sixteen columns of a right side, row by row.
pub(crate) type Panel = [[f32; LANES]];

/// A matrix of f32, row by row. There are as many rows as were asked for, rounded up to whole tiles;
/// what the additional ones hold means nothing.
pub(crate) struct Matrix {
    columns: usize,
    elements: Vec<f32>,
}

impl Matrix {
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        Self {
            columns,
            elements: vec![0.0; rows.next_multiple_of(ROWS) * columns],
        }
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.elements.chunks_exact(self.columns)
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.elements.chunks_exact_mut(self.columns)
    }

    pub(crate) fn elements_mut(&mut self) -> &mut [f32] {
        &mut self.elements
    }

    /// Some of its columns.
    pub(crate) fn part(&self, columns: Range<usize>) -> Part<'_> {
        Part {
            matrix: self,
            columns,
        }
    }
}

/// Some columns of a matrix.
#[derive(Clone)]
pub(crate) struct Part<'a> {
    matrix: &'a Matrix,
    columns: Range<usize>,
}

impl<'a> Part<'a> {
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let columns = self.columns.clone();
        let rows = self.matrix.elements.chunks_exact(self.matrix.columns);
        rows.map(move |row| row.get(columns.clone()).unwrap_or_default())
    }
}

/// The right side of a product.
pub(crate) trait Right {
    /// Rows, which is columns of the left side.
    fn depth(&self) -> usize;

    /// Writes panel `index` into `panel`, which has `depth` rows, and returns what is added to each
    /// column of the product.
    fn fill<S: Simd>(&self, simd: S, index: usize, panel: &mut Panel) -> [f32; LANES];
}

/// Writes the product of `left` and the first panels of `right` into `columns` of `product`, a
/// multiple of [`LANES`] wide.
pub(crate) fn multiply<S: Simd>(
    simd: S,
    left: &Part<'_>,
    right: &impl Right,
    product: &mut Matrix,
    columns: Range<usize>,
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let mut panel = vec![[0.0; LANES]; right.depth()];
            for (index, column) in columns.step_by(LANES).enumerate() {
                let summand = right.fill(simd, index, &mut panel);
                let summand = f32x16::load_array(simd, summand);
                let (mut inputs, mut outputs) = (left.rows(), product.rows_mut());
                while let Some(tile) = next_tile(&mut inputs) {
                    for (sum, output) in multiply_tile(simd, tile, &panel).iter().zip(&mut outputs)
                    {
                        if let Some(output) = output.get_mut(column..column + LANES) {
                            (*sum + summand).store_slice(output);
                        }
                    }
                }
            }
        },
    );
}

#[inline(always)]
fn next_tile<'a>(rows: &mut impl Iterator<Item = &'a [f32]>) -> Option<[&'a [f32]; ROWS]> {
    let mut tile = [<&[f32]>::default(); ROWS];
    for row in &mut tile {
        *row = rows.next()?;
    }
    Some(tile)
}

/// The sums stay in registers: each is a variable of its own, and the inner loop has no bounds to
/// check.
#[inline(always)]
fn multiply_tile<S: Simd>(simd: S, tile: [&[f32]; ROWS], panel: &Panel) -> [f32x16<S>; ROWS] {
    let zero = f32x16::splat(simd, 0.0);
    let [mut sum0, mut sum1, mut sum2, mut sum3, mut sum4, mut sum5] = [zero; ROWS];
    let [row0, row1, row2, row3, row4, row5] = tile;
    let columns = row0
        .iter()
        .zip(row1)
        .zip(row2)
        .zip(row3)
        .zip(row4)
        .zip(row5);
    for ((((((x0, x1), x2), x3), x4), x5), weights) in columns.zip(panel) {
        let weights = f32x16::load_array_ref(simd, weights);
        sum0 = weights.mul_add(f32x16::splat(simd, *x0), sum0);
        sum1 = weights.mul_add(f32x16::splat(simd, *x1), sum1);
        sum2 = weights.mul_add(f32x16::splat(simd, *x2), sum2);
        sum3 = weights.mul_add(f32x16::splat(simd, *x3), sum3);
        sum4 = weights.mul_add(f32x16::splat(simd, *x4), sum4);
        sum5 = weights.mul_add(f32x16::splat(simd, *x5), sum5);
    }
    [sum0, sum1, sum2, sum3, sum4, sum5]
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    /// Column c of row r is r + c / 100.
    struct Numbers(usize);

    impl Right for Numbers {
        fn depth(&self) -> usize {
            self.0
        }

        fn fill<S: Simd>(&self, _: S, index: usize, panel: &mut Panel) -> [f32; LANES] {
            for (row, values) in panel.iter_mut().enumerate() {
                for (lane, value) in values.iter_mut().enumerate() {
                    *value = number(row, index * LANES + lane);
                }
            }
            [float(index); LANES]
        }
    }

    fn number(row: usize, column: usize) -> f32 {
        float(row) + float(column) / 100.0
    }

    fn float(number: usize) -> f32 {
        f32::from(u8::try_from(number).unwrap())
    }

    #[test]
    fn agrees_with_the_definition() {
        const DEPTH: usize = 5;
        let mut left = Matrix::new(7, DEPTH + 2);
        for (row, values) in left.rows_mut().enumerate() {
            for (column, value) in values.iter_mut().enumerate() {
                *value = number(column, row);
            }
        }
        let mut product = Matrix::new(7, 3 * LANES);
        let part = left.part(1..DEPTH + 1);
        let level = Level::new();
        dispatch!(level, simd => multiply(
            simd, &part, &Numbers(DEPTH), &mut product, LANES..3 * LANES
        ));
        assert_eq!(product.rows().count(), 12, "whole tiles");
        for (row, values) in product.rows().enumerate() {
            assert_eq!(
                values[..LANES],
                [0.0; LANES],
                "outside of the columns asked for"
            );
            for (column, value) in values[LANES..].iter().enumerate() {
                let sum: f32 = (0..DEPTH)
                    .map(|k| number(k + 1, row) * number(k, column))
                    .sum();
                let expected = sum + float(column / LANES);
                assert!((value - expected).abs() < 1e-4, "{value} for {expected}");
            }
        }
    }
}
