//! Symmetric per-channel int8: each channel has one scale `s = max|w| / 127`, a weight becomes `round(w / s)`, and
//! no zero point is needed. The dequantised weight differs from the original by at most half a step.

use crate::GraphError;

/// Largest magnitude of a quantised weight; -128 stays unused so that the range is symmetric.
pub const STEPS_MAX: f32 = 127.0;

/// A weight tensor as int8 values and one scale per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Weight {
    values: Vec<i8>,
    scales: Vec<f32>,
    shape: Vec<usize>,
    channel_axis: usize,
}

impl Int8Weight {
    /// Quantises `weight` (row-major, of `shape`) with one scale per index of `channel_axis`.
    /// Fails when the shape does not hold the values, the axis is not one of the shape, or a value is not finite.
    pub fn quantise(name: &str, weight: &[f32], shape: &[usize], channel_axis: usize) -> Result<Self, GraphError> {
        let expected = elements(shape);
        if Some(weight.len()) != expected {
            return Err(GraphError::Shape { name: name.into(), shape: shape.to_vec(), have: weight.len() });
        }
        let Some(&channels) = shape.get(channel_axis) else {
            return Err(GraphError::Axis { name: name.into(), axis: channel_axis, rank: shape.len() });
        };
        if let Some(index) = weight.iter().position(|w| !w.is_finite()) {
            return Err(GraphError::NotFinite { name: name.into(), index, value: weight[index] });
        }
        let inner: usize = shape[channel_axis + 1..].iter().product();
        let channel_of = |index: usize| (index / inner) % channels;
        let mut peaks = vec![0.0_f32; channels];
        for (index, w) in weight.iter().enumerate() {
            let peak = &mut peaks[channel_of(index)];
            *peak = peak.max(w.abs());
        }
        // A channel of zeros, or one too small for a normal scale, is stored as zeros with a scale of one step.
        let scales: Vec<f32> =
            peaks.iter().map(|p| p / STEPS_MAX).map(|s| if s.is_normal() { s } else { f32::MIN_POSITIVE }).collect();
        let values = weight
            .iter()
            .enumerate()
            .map(|(index, w)| (w / scales[channel_of(index)]).round().clamp(-STEPS_MAX, STEPS_MAX) as i8)
            .collect();
        Ok(Self { values, scales, shape: shape.to_vec(), channel_axis })
    }

    /// The int8 values, row-major, each in -127..=127.
    pub fn values(&self) -> &[i8] {
        &self.values
    }

    /// One positive scale per channel.
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// The shape of the weight.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The axis that the scales run along.
    pub fn channel_axis(&self) -> usize {
        self.channel_axis
    }

    /// The weights as a runtime sees them: value times the scale of its channel.
    pub fn dequantise(&self) -> Vec<f32> {
        let inner: usize = self.shape[self.channel_axis + 1..].iter().product();
        self.values
            .iter()
            .enumerate()
            .map(|(index, &v)| f32::from(v) * self.scales[(index / inner) % self.scales.len()])
            .collect()
    }
}

/// Number of elements of a shape; `None` when it does not fit in a `usize`.
pub(crate) fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n))
}
