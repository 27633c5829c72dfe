//! Making the model file: f32 weights become int8 with a scale for each group of them.
//!
//! A group w becomes round(w / s) with s = max |w| / 127, so that 0 stays 0 and the largest weight
//! is kept. A group is a row of the tables that tokens are looked up in, and 64 weights of a row of
//! every other matrix: with whole rows there, the few large weights of the feed-forward blocks
//! spoil their neighbours, and the cosine to the f32 model falls below .997 for very short texts.
//!
//! Matrices are cut into panels of sixteen rows which are stored column by column, the order in
//! which `matmul` reads them.

use crate::ModelError;
use crate::container::{Container, Kind, Writer};
use crate::matmul::LANES;
use crate::shape::{GROUP, INNER, LAYERS, POSITIONS, VOCABULARY, WIDTH, WINDOW};
use crate::vocabulary::Vocabulary;

/// Makes the model file from the published f32 weights, `model.safetensors`, and the published
/// vocabulary, `vocab.txt`. The same input makes the same bytes.
pub fn quantise(safetensors: &[u8], vocabulary: &str) -> Result<Vec<u8>, ModelError> {
    Vocabulary::parse(vocabulary.as_bytes())?;
    let source = Container::parse(safetensors)?;
    let mut file = Conversion {
        source,
        writer: Writer::default(),
    };
    let text = vocabulary.as_bytes();
    file.writer.add("vocabulary", Kind::U8, &[text.len()], text);
    let words = "embeddings.word_embeddings.weight";
    file.table(words, "words", [VOCABULARY, VOCABULARY])?;
    let positions = "embeddings.position_embeddings.weight";
    file.table(positions, "positions", [POSITIONS, WINDOW])?;
    file.segment()?;
    file.norm("embeddings.LayerNorm", "norm")?;
    for index in 0..LAYERS {
        file.layer(index)?;
    }
    Ok(file.writer.finish())
}

struct Conversion<'a> {
    source: Container<'a>,
    writer: Writer,
}

impl Conversion<'_> {
    fn layer(&mut self, index: usize) -> Result<(), ModelError> {
        let from = |part: &str| format!("encoder.layer.{index}.{part}");
        let to = |part: &str| format!("layers.{index}.{part}");
        let attention =
            ["query", "key", "value"].map(|part| from(&format!("attention.self.{part}")));
        self.linear(&attention, &to("query_key_value"), [WIDTH, WIDTH])?;
        self.linear(
            &[from("attention.output.dense")],
            &to("attention_output"),
            [WIDTH, WIDTH],
        )?;
        self.norm(&from("attention.output.LayerNorm"), &to("attention_norm"))?;
        self.linear(
            &[from("intermediate.dense")],
            &to("intermediate"),
            [INNER, WIDTH],
        )?;
        self.linear(&[from("output.dense")], &to("output"), [WIDTH, INNER])?;
        self.norm(&from("output.LayerNorm"), &to("output_norm"))
    }

    /// A matrix of which single rows are looked up; the first `kept` of its `rows` are taken.
    fn table(&mut self, from: &str, to: &str, [rows, kept]: [usize; 2]) -> Result<(), ModelError> {
        let weights = self.source.floats(from, &[rows, WIDTH])?;
        let (mut scales, mut bytes) = (Vec::new(), Vec::new());
        for row in weights.chunks_exact(WIDTH).take(kept) {
            let (scale, row) = quantise_group(row);
            scales.push(scale);
            bytes.extend(row);
        }
        self.writer.add(to, Kind::I8, &[kept, WIDTH], &bytes);
        self.writer
            .add_floats(&format!("{to}.scale"), &[kept], &scales);
        Ok(())
    }

    /// The embedding that every token gets as part of a single text.
    fn segment(&mut self) -> Result<(), ModelError> {
        let name = "embeddings.token_type_embeddings.weight";
        let both = self.source.floats(name, &[2, WIDTH])?;
        let first = both.get(..WIDTH).unwrap_or_default();
        self.writer.add_floats("segment", &[WIDTH], first);
        Ok(())
    }

    fn norm(&mut self, from: &str, to: &str) -> Result<(), ModelError> {
        for part in ["weight", "bias"] {
            let values = self.source.floats(&format!("{from}.{part}"), &[WIDTH])?;
            self.writer
                .add_floats(&format!("{to}.{part}"), &[WIDTH], &values);
        }
        Ok(())
    }

    /// Linear maps of the same input, one below the other as one. Each has `outputs` rows.
    fn linear(
        &mut self,
        from: &[String],
        to: &str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<(), ModelError> {
        let (mut rows, mut scales, mut bias) = (Vec::new(), Vec::new(), Vec::new());
        for name in from {
            let weights = format!("{name}.weight");
            let weights = self.source.floats(&weights, &[outputs, inputs])?;
            for row in weights.chunks_exact(inputs) {
                let groups = row.chunks_exact(GROUP).map(quantise_group);
                let (row_scales, groups): (Vec<f32>, Vec<_>) = groups.unzip();
                scales.push(row_scales);
                rows.push(groups.concat());
            }
            bias.extend(self.source.floats(&format!("{name}.bias"), &[outputs])?);
        }
        let shape = [rows.len() / LANES, inputs, LANES];
        let (weight, scale) = (panels(&rows, inputs), panels(&scales, inputs / GROUP));
        self.writer
            .add(&format!("{to}.weight"), Kind::I8, &shape, &weight);
        let shape = [rows.len() / LANES, inputs / GROUP, LANES];
        self.writer
            .add_floats(&format!("{to}.scale"), &shape, &scale);
        self.writer
            .add_floats(&format!("{to}.bias"), &[bias.len()], &bias);
        Ok(())
    }
}

/// Sixteen rows at a time, column by column.
fn panels<T: Copy>(rows: &[Vec<T>], columns: usize) -> Vec<T> {
    let mut elements = Vec::with_capacity(rows.len() * columns);
    for panel in rows.chunks_exact(LANES) {
        for column in 0..columns {
            elements.extend(panel.iter().filter_map(|row| row.get(column)));
        }
    }
    elements
}

/// The scale of a group, and its weights as the bytes of int8.
fn quantise_group(group: &[f32]) -> (f32, Vec<u8>) {
    let largest = group
        .iter()
        .fold(0.0_f32, |largest, x| largest.max(x.abs()));
    let scale = largest / 127.0;
    let quantised = group.iter().map(|x| {
        let ratio = if scale > 0.0 { x / scale } else { 0.0 };
        nearest(ratio).cast_unsigned()
    });
    (scale, quantised.collect())
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "saturates, and is at most 127 by the choice of the scale"
)]
fn nearest(ratio: f32) -> i8 {
    ratio.round() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_keeps_its_zeros_and_its_largest_weight() {
        let (scale, row) = quantise_group(&[0.0, 0.5, -1.27, 0.004]);
        let row: Vec<i8> = row.into_iter().map(u8::cast_signed).collect();
        assert_eq!(row, [0, 50, -127, 0]);
        assert!((scale - 0.01).abs() < 1e-7);
        assert_eq!(quantise_group(&[0.0, 0.0]), (0.0, vec![0, 0]));
    }

    #[test]
    fn a_panel_holds_sixteen_rows_column_by_column() {
        let rows: Vec<Vec<u8>> = (0..32).map(|row| vec![row, row + 100]).collect();
        let bytes = panels(&rows, 2);
        let first: Vec<u8> = (0..16).chain(100..116).collect();
        let second: Vec<u8> = (16..32).chain(116..132).collect();
        assert_eq!(bytes, [first, second].concat());
    }

    #[test]
    fn says_which_tensor_the_weights_lack() {
        let vocabulary = Vocabulary::sample();
        let empty = Writer::default().finish();
        let error = quantise(&empty, &vocabulary).unwrap_err();
        let expected = "the tensor embeddings.word_embeddings.weight is missing";
        assert_eq!(error.to_string(), expected);
    }
}
