//! The safetensors format (<https://huggingface.co/docs/safetensors>): the length of a JSON header
//! in eight bytes, the header, the tensors. Each tensor is named with its type, its shape and the
//! range of its bytes.

use std::fmt::{self, Write as _};
use std::ops::Range;

use serde_json::{Map, Value};

use crate::ModelError;

/// Bytes before the header, which hold its length.
const PREFIX: usize = 8;

/// Longest header that is read, in bytes; the published model's has 11 KB.
const MAX_HEADER: usize = 1024 * 1024;

/// The element types that are read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    F32,
    I8,
    U8,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::I8 => "I8",
            Self::U8 => "U8",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::I8 | Self::U8 => 1,
        }
    }
}

/// A file whose header was read.
pub(crate) struct Container<'a> {
    bytes: &'a [u8],
    header: Map<String, Value>,
    /// Where the tensors begin.
    data: usize,
}

impl<'a> Container<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, ModelError> {
        let too_short = || ModelError::format(format!("it ends after {} bytes", bytes.len()));
        let prefix = bytes.first_chunk::<PREFIX>().ok_or_else(too_short)?;
        let length = usize::try_from(u64::from_le_bytes(*prefix)).unwrap_or(usize::MAX);
        if length > MAX_HEADER {
            return Err(ModelError::format("it does not begin with a header"));
        }
        let data = PREFIX + length;
        let header = bytes.get(PREFIX..data).ok_or_else(too_short)?;
        let header: Value = serde_json::from_slice(header)
            .map_err(|error| ModelError::format(format!("its header is not JSON: {error}")))?;
        let Value::Object(header) = header else {
            return Err(ModelError::format("its header is not a JSON object"));
        };
        let container = Self {
            bytes,
            header,
            data,
        };
        let end = container.end();
        if bytes.len() != end {
            let reason = format!("{} bytes where its header says {end}", bytes.len());
            return Err(ModelError::format(reason));
        }
        Ok(container)
    }

    /// Where the last tensor ends.
    fn end(&self) -> usize {
        let ends = self.header.values().filter_map(|tensor| {
            let end = tensor.get("data_offsets")?.get(1)?.as_u64()?;
            usize::try_from(end).ok()
        });
        self.data.saturating_add(ends.max().unwrap_or_default())
    }

    /// Where in the file the tensor `name` is; it must have this type and this shape.
    pub(crate) fn find(
        &self,
        name: &str,
        kind: Kind,
        shape: &[usize],
    ) -> Result<Range<usize>, ModelError> {
        let tensor = self.tensor(name)?;
        let numbers = |key: &str| -> Option<Vec<usize>> {
            let list = tensor.get(key)?.as_array()?.iter();
            list.map(|number| usize::try_from(number.as_u64()?).ok())
                .collect()
        };
        let is_kind = tensor.get("dtype").and_then(Value::as_str) == Some(kind.name());
        if !is_kind || numbers("shape").as_deref() != Some(shape) {
            let expected = format!("is not {} of the shape {shape:?}", kind.name());
            return Err(ModelError::tensor(name, expected));
        }
        let size = shape.iter().product::<usize>() * kind.bytes();
        let offsets = numbers("data_offsets").unwrap_or_default();
        if let [start, end] = offsets.as_slice()
            && start.checked_add(size) == Some(*end)
        {
            let (start, end) = (
                self.data.saturating_add(*start),
                self.data.saturating_add(*end),
            );
            if end <= self.bytes.len() {
                return Ok(start..end);
            }
        }
        Err(ModelError::tensor(name, "does not lie within the file"))
    }

    /// The bytes of the tensor `name`.
    pub(crate) fn bytes(
        &self,
        name: &str,
        kind: Kind,
        shape: &[usize],
    ) -> Result<&'a [u8], ModelError> {
        let range = self.find(name, kind, shape)?;
        Ok(self.bytes.get(range).unwrap_or_default())
    }

    /// The elements of the f32 tensor `name`.
    pub(crate) fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let (elements, _) = self.bytes(name, Kind::F32, shape)?.as_chunks::<4>();
        Ok(elements
            .iter()
            .map(|element| f32::from_le_bytes(*element))
            .collect())
    }

    /// How many elements the one-dimensional tensor `name` has.
    pub(crate) fn length(&self, name: &str) -> Result<usize, ModelError> {
        let shape = self.tensor(name)?.get("shape").and_then(Value::as_array);
        let length = match shape.map(Vec::as_slice) {
            Some([length]) => length.as_u64(),
            _ => None,
        };
        length
            .and_then(|length| usize::try_from(length).ok())
            .ok_or_else(|| ModelError::tensor(name, "is not one-dimensional"))
    }

    fn tensor(&self, name: &str) -> Result<&Value, ModelError> {
        self.header
            .get(name)
            .ok_or_else(|| ModelError::tensor(name, "is missing"))
    }
}

/// A file that is being written. The same tensors in the same order make the same bytes.
#[derive(Default)]
pub(crate) struct Writer {
    /// The entries of the header, without the braces around them.
    header: String,
    data: Vec<u8>,
}

impl Writer {
    /// Adds a tensor. `name` is plain ASCII without quotes.
    pub(crate) fn add(&mut self, name: &str, kind: Kind, shape: &[usize], bytes: &[u8]) {
        debug_assert_eq!(shape.iter().product::<usize>() * kind.bytes(), bytes.len());
        let (start, end) = (self.data.len(), self.data.len() + bytes.len());
        if !self.header.is_empty() {
            self.header.push(',');
        }
        let kind = kind.name();
        // Writing to a string cannot fail.
        let (Ok(()) | Err(fmt::Error)) = write!(
            self.header,
            r#""{name}":{{"dtype":"{kind}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        );
        self.data.extend_from_slice(bytes);
    }

    /// Adds an f32 tensor.
    pub(crate) fn add_floats(&mut self, name: &str, shape: &[usize], elements: &[f32]) {
        let bytes: Vec<u8> = elements.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.add(name, Kind::F32, shape, &bytes);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        let mut header = format!("{{{}}}", self.header);
        while !header.len().is_multiple_of(PREFIX) {
            header.push(' ');
        }
        let mut file = Vec::with_capacity(PREFIX + header.len() + self.data.len());
        let length = u64::try_from(header.len()).unwrap_or(u64::MAX);
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(header.as_bytes());
        file.extend_from_slice(&self.data);
        file
    }
}
