//! The weights of a model file. What is large stays where it is in the file, as int8.

use std::borrow::Cow;
use std::ops::Range;

use crate::ModelError;
use crate::container::{Container, Kind};
use crate::matmul::LANES;
use crate::shape::{GROUP, INNER, LAYERS, VOCABULARY, WIDTH, WINDOW};

/// The file and where in it everything is.
pub(crate) struct Weights {
    file: Cow<'static, [u8]>,
    tensors: Tensors,
}

/// What is read of a file before it is kept. Ranges are of its bytes.
pub(crate) struct Tensors {
    words: Table,
    positions: Table,
    segment: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

/// Rows of int8, each with its scale.
struct Table {
    rows: Range<usize>,
    scales: Vec<f32>,
}

/// Factors and summands of a layer normalisation.
pub(crate) struct Norm {
    pub(crate) weight: Vec<[f32; LANES]>,
    pub(crate) bias: Vec<[f32; LANES]>,
}

/// A transformer layer.
pub(crate) struct Layer {
    pub(crate) query_key_value: Linear,
    pub(crate) attention_output: Linear,
    pub(crate) attention_norm: Norm,
    pub(crate) intermediate: Linear,
    pub(crate) output: Linear,
    pub(crate) output_norm: Norm,
}

/// A linear map: int8 in panels of [`LANES`] rows, a scale for each [`GROUP`] of a row, and a
/// summand for each row.
pub(crate) struct Linear {
    panels: Range<usize>,
    scales: Vec<[f32; LANES]>,
    bias: Vec<[f32; LANES]>,
    pub(crate) inputs: usize,
}

/// A panel of a linear map.
#[derive(Default)]
pub(crate) struct Quantised<'a> {
    /// Column by column.
    pub(crate) weights: &'a [[u8; LANES]],
    /// One for each [`GROUP`] of columns.
    pub(crate) scales: &'a [[f32; LANES]],
    pub(crate) bias: [f32; LANES],
}

impl Weights {
    /// `tensors` were found in `file`.
    pub(crate) fn new(file: Cow<'static, [u8]>, tensors: Tensors) -> Self {
        Self { file, tensors }
    }

    #[cfg(test)]
    pub(crate) fn file(&self) -> &Cow<'static, [u8]> {
        &self.file
    }

    pub(crate) fn norm(&self) -> &Norm {
        &self.tensors.norm
    }

    pub(crate) fn layers(&self) -> &[Layer] {
        &self.tensors.layers
    }

    /// Panel `index` of `linear`.
    pub(crate) fn panel<'a>(&'a self, linear: &'a Linear, index: usize) -> Option<Quantised<'a>> {
        let (weights, _) = self.file.get(linear.panels.clone())?.as_chunks();
        Some(Quantised {
            weights: weights.chunks_exact(linear.inputs).nth(index)?,
            scales: linear
                .scales
                .chunks_exact(linear.inputs / GROUP)
                .nth(index)?,
            bias: *linear.bias.get(index)?,
        })
    }

    /// What the token `word` at `position` enters the first layer as, before normalisation.
    pub(crate) fn input(&self, word: u16, position: usize) -> impl Iterator<Item = f32> {
        let word = self.row(&self.tensors.words, usize::from(word));
        let position = self.row(&self.tensors.positions, position);
        let parts = word.zip(position).zip(&self.tensors.segment);
        parts.map(|((word, position), segment)| word + position + segment)
    }

    fn row(&self, table: &Table, index: usize) -> impl Iterator<Item = f32> {
        let bytes = self.file.get(table.rows.clone()).unwrap_or_default();
        let row = bytes.chunks_exact(WIDTH).nth(index).unwrap_or_default();
        let scale = table.scales.get(index).copied().unwrap_or_default();
        row.iter()
            .map(move |byte| f32::from(byte.cast_signed()) * scale)
    }
}

impl Tensors {
    pub(crate) fn find(file: &Container<'_>) -> Result<Self, ModelError> {
        let mut layers = Vec::with_capacity(LAYERS);
        for index in 0..LAYERS {
            layers.push(Layer::find(file, &format!("layers.{index}"))?);
        }
        Ok(Self {
            words: Table::find(file, "words", VOCABULARY)?,
            positions: Table::find(file, "positions", WINDOW)?,
            segment: file.floats("segment", &[WIDTH])?,
            norm: Norm::find(file, "norm")?,
            layers,
        })
    }
}

impl Layer {
    fn find(file: &Container<'_>, name: &str) -> Result<Self, ModelError> {
        let linear = |part: &str, shape| Linear::find(file, &format!("{name}.{part}"), shape);
        let norm = |part: &str| Norm::find(file, &format!("{name}.{part}"));
        Ok(Self {
            query_key_value: linear("query_key_value", [3 * WIDTH, WIDTH])?,
            attention_output: linear("attention_output", [WIDTH, WIDTH])?,
            attention_norm: norm("attention_norm")?,
            intermediate: linear("intermediate", [INNER, WIDTH])?,
            output: linear("output", [WIDTH, INNER])?,
            output_norm: norm("output_norm")?,
        })
    }
}

impl Table {
    fn find(file: &Container<'_>, name: &str, rows: usize) -> Result<Self, ModelError> {
        Ok(Self {
            rows: file.find(name, Kind::I8, &[rows, WIDTH])?,
            scales: file.floats(&format!("{name}.scale"), &[rows])?,
        })
    }
}

impl Norm {
    fn find(file: &Container<'_>, name: &str) -> Result<Self, ModelError> {
        Ok(Self {
            weight: lanes(&file.floats(&format!("{name}.weight"), &[WIDTH])?),
            bias: lanes(&file.floats(&format!("{name}.bias"), &[WIDTH])?),
        })
    }
}

impl Linear {
    fn find(
        file: &Container<'_>,
        name: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<Self, ModelError> {
        let shape = |columns| [outputs / LANES, columns, LANES];
        let (weight, scale) = (shape(inputs), shape(inputs / GROUP));
        Ok(Self {
            panels: file.find(&format!("{name}.weight"), Kind::I8, &weight)?,
            scales: lanes(&file.floats(&format!("{name}.scale"), &scale)?),
            bias: lanes(&file.floats(&format!("{name}.bias"), &[outputs])?),
            inputs,
        })
    }
}

/// Every width of the model is a multiple of [`LANES`].
fn lanes(values: &[f32]) -> Vec<[f32; LANES]> {
    values.as_chunks().0.to_vec()
}
