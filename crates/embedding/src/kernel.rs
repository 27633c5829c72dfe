//! Functions of whole vectors: what stands between the products of a transformer layer.
#![expect(
    clippy::inline_always,
    reason = "a vector function has the instructions of the function it is compiled into"
)]

use fearless_simd::prelude::*;
use fearless_simd::{Simd, f32x16, i32x16};

use crate::matmul::LANES;
use crate::shape::{EPSILON, WIDTH};
use crate::weights::Norm;

/// Brings a row to mean 0 and variance 1, then scales and shifts it (Ba et al. 2016,
/// <https://arxiv.org/abs/1607.06450>).
#[inline(always)]
pub(crate) fn normalise<S: Simd>(simd: S, row: &mut [f32], norm: &Norm) {
    const { assert!(WIDTH == 384) };
    let width = 384.0_f32;
    let (vectors, _) = row.as_chunks_mut::<LANES>();
    let load = |vector: &[f32; LANES]| f32x16::load_array_ref(simd, vector);
    let mut sum = f32x16::splat(simd, 0.0);
    for vector in vectors.iter() {
        sum += load(vector);
    }
    let mean = f32x16::splat(simd, sum.reduce_sum() / width);
    let mut squares = f32x16::splat(simd, 0.0);
    for vector in vectors.iter() {
        let difference = load(vector) - mean;
        squares = difference.mul_add(difference, squares);
    }
    let deviation = (squares.reduce_sum() / width + EPSILON).sqrt();
    let factor = f32x16::splat(simd, deviation.recip());
    for ((vector, weight), bias) in vectors.iter_mut().zip(&norm.weight).zip(&norm.bias) {
        let scaled = (load(vector) - mean) * factor;
        scaled.mul_add(load(weight), load(bias)).store_slice(vector);
    }
}

/// x / 2 (1 + erf(x / √2)), of each element (Hendrycks and Gimpel 2016,
/// <https://arxiv.org/abs/1606.08415>).
#[inline(always)]
pub(crate) fn gelu<S: Simd>(simd: S, elements: &mut [f32]) {
    let half = f32x16::splat(simd, 0.5);
    let (vectors, _) = elements.as_chunks_mut::<LANES>();
    for vector in vectors {
        let x = f32x16::load_array_ref(simd, vector);
        let error = erf(simd, x * std::f32::consts::FRAC_1_SQRT_2);
        let halved = x * half;
        halved.mul_add(error, halved).store_slice(vector);
    }
}

/// e to the power of each of the first `live` elements, divided by the sum of these. The rest
/// becomes 0.
#[inline(always)]
pub(crate) fn softmax<S: Simd>(simd: S, row: &mut [f32], live: usize) {
    if let Some(rest) = row.get_mut(live..) {
        rest.fill(f32::MIN);
    }
    let (vectors, _) = row.as_chunks_mut::<LANES>();
    let mut largest = f32x16::splat(simd, f32::MIN);
    for vector in vectors.iter() {
        largest = largest.max(f32x16::load_array_ref(simd, vector));
    }
    let largest = f32x16::splat(simd, largest.reduce_max());
    let mut sum = f32x16::splat(simd, 0.0);
    for vector in vectors.iter_mut() {
        let power = exp(simd, f32x16::load_array_ref(simd, vector) - largest);
        sum += power;
        power.store_slice(vector);
    }
    let factor = f32x16::splat(simd, sum.reduce_sum().recip());
    for vector in vectors {
        let scaled = f32x16::load_array_ref(simd, vector) * factor;
        scaled.store_slice(vector);
    }
}

/// e to the power of x ≤ 0, to about 2e-7 of itself; 0 below -87.
///
/// x = n ln 2 + r with |r| ≤ ln 2 / 2, where the power of r is a polynomial and that of two is
/// written into the exponent (Cephes, `expf`, <https://www.netlib.org/cephes/>).
#[inline(always)]
fn exp<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    const SMALLEST: f32 = -87.0;
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const POLYNOMIAL: [f32; 6] = [
        1.987_569_1e-4,
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        5e-1,
    ];
    let splat = |value| f32x16::splat(simd, value);
    let is_tiny = x.simd_lt(splat(SMALLEST));
    let x = x.max(splat(SMALLEST));
    let n = (x * std::f32::consts::LOG2_E).round_ties_even();
    let r = n.mul_add(splat(-LN_2_HIGH), x);
    let r = n.mul_add(splat(-LN_2_LOW), r);
    let p = polynomial(simd, r, &POLYNOMIAL);
    let p = p.mul_add(r * r, r + 1.0);
    let exponent: i32x16<S> = n.to_int();
    let two = f32x16::from_bits(((exponent + 127) << 23).bitcast());
    is_tiny.select(splat(0.0), p * two)
}

/// The error function, to 1e-6: a rational approximation on [-4, 4], beyond which it is 1 to the
/// last bit but one. The coefficients are those of Eigen's `erf` for f32
/// (<https://gitlab.com/libeigen/eigen>).
#[inline(always)]
fn erf<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    const NUMERATOR: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_5e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const DENOMINATOR: [f32; 5] = [
        -1.456_607_2e-5,
        -2.133_740_6e-4,
        -1.682_827e-3,
        -7.373_329e-3,
        -1.426_473_9e-2,
    ];
    let splat = |value| f32x16::splat(simd, value);
    let x = x.max(splat(-4.0)).min(splat(4.0));
    let square = x * x;
    let numerator = polynomial(simd, square, &NUMERATOR);
    x * numerator / polynomial(simd, square, &DENOMINATOR)
}

/// Horner's scheme, the coefficient of the highest power first.
#[inline(always)]
fn polynomial<S: Simd>(simd: S, x: f32x16<S>, coefficients: &[f32]) -> f32x16<S> {
    let mut value = f32x16::splat(simd, 0.0);
    for coefficient in coefficients {
        value = value.mul_add(x, f32x16::splat(simd, *coefficient));
    }
    value
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    /// Values of erf from Abramowitz and Stegun, table 7.1.
    const ERF: [(f32, f32); 6] = [
        (0.1, 0.112_462_92),
        (0.5, 0.520_499_9),
        (1.0, 0.842_700_8),
        (1.5, 0.966_105_15),
        (2.0, 0.995_322_3),
        (3.0, 0.999_977_9),
    ];

    #[test]
    fn gelu_is_the_one_with_the_error_function() {
        for (z, erf) in ERF {
            let x = z * std::f32::consts::SQRT_2;
            let mut row = [x, -x, 0.0, 20.0, -20.0].repeat(LANES);
            let level = Level::new();
            dispatch!(level, simd => gelu(simd, &mut row));
            let positive = x / 2.0 * (1.0 + erf);
            let expected = [positive, positive - x, 0.0, 20.0, 0.0].repeat(LANES);
            for (found, expected) in row.iter().zip(&expected) {
                assert!((found - expected).abs() < 3e-5, "{found} for {expected}");
            }
        }
    }

    #[test]
    fn softmax_agrees_with_the_definition() {
        const LIVE: usize = 18;
        let values: Vec<f32> = (0..32_u8).map(|x| f32::from(x) * 7.3 - 120.0).collect();
        let mut row = values.clone();
        let level = Level::new();
        dispatch!(level, simd => softmax(simd, &mut row, LIVE));
        let powers: Vec<f64> = values[..LIVE].iter().map(|x| f64::from(*x).exp()).collect();
        let sum: f64 = powers.iter().sum();
        for (found, power) in row.iter().zip(&powers) {
            let expected = power / sum;
            assert!((f64::from(*found) - expected).abs() <= expected * 1e-6 + 1e-37);
        }
        assert_eq!(row[LIVE..], [0.0; 32 - LIVE]);
    }

    #[test]
    fn normalises_to_mean_and_variance() {
        let norm = Norm {
            weight: vec![[3.0; LANES]; WIDTH / LANES],
            bias: vec![[5.0; LANES]; WIDTH / LANES],
        };
        let mut row: Vec<f32> = (0..=255_u8).cycle().take(WIDTH).map(f32::from).collect();
        let level = Level::new();
        dispatch!(level, simd => normalise(simd, &mut row, &norm));
        let width = 384.0;
        let mean: f32 = row.iter().sum::<f32>() / width;
        let variance: f32 = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / width;
        assert!((mean - 5.0).abs() < 1e-4, "{mean}");
        assert!((variance - 9.0).abs() < 1e-3, "{variance}");
    }
}
