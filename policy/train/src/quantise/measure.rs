//! How much the outputs of a quantised model are those of the float one.

use std::path::{Path, PathBuf};

use trimtab_engine::Runner;
use trimtab_quant::{Effort, Quantiser, Width};

use super::QuantiseFolderError;
use super::material::Inputs;

/// Every so many-th input judges, and nothing is chosen by it.
const HELD_OUT_ONE_IN: usize = 5;
/// Inputs on which layers are compared.
const COMPARED: usize = 4;
/// Most numbers of one output that are kept: of a longer one, the last positions.
const NUMBERS_MAX: usize = 1 << 18;
/// Begins the names of outputs that only carry over to the next run.
const CARRIED: &str = "present";

/// What the float model gives.
pub(super) struct Reference {
    /// Names of the outputs that are compared.
    pub(super) outputs: Vec<String>,
    inputs: Inputs,
    /// Of each input, each output.
    made: Vec<Vec<Rows>>,
}

/// The last rows of an output, as many as are kept.
struct Rows {
    width: usize,
    values: Vec<f32>,
}

/// Measures choices of widths.
pub(super) struct Bench<'a> {
    pub(super) quantiser: &'a Quantiser,
    pub(super) reference: &'a Reference,
    /// Where the model to be measured is written.
    pub(super) trial: PathBuf,
}

impl Reference {
    /// Runs the float model.
    pub(super) fn of(model: &Path, outputs: &[String], inputs: Inputs) -> Result<Self, QuantiseFolderError> {
        let outputs: Vec<String> = outputs.iter().filter(|name| !name.starts_with(CARRIED)).cloned().collect();
        let runner = load(model, &inputs)?;
        let made = (0..inputs.feeds.len()).map(|at| run(&runner, &inputs, at, &outputs)).collect::<Result<_, _>>()?;
        Ok(Self { outputs, inputs, made })
    }

    /// Places of the inputs that are chosen by.
    pub(super) fn chosen(&self) -> Vec<usize> {
        (0..self.made.len()).filter(|at| at % HELD_OUT_ONE_IN != HELD_OUT_ONE_IN - 1).collect()
    }

    /// Places of the others.
    pub(super) fn held_out(&self) -> Vec<usize> {
        (0..self.made.len()).filter(|at| at % HELD_OUT_ONE_IN == HELD_OUT_ONE_IN - 1).collect()
    }
}

impl Bench<'_> {
    /// Mean cosine of the inputs that are chosen by.
    pub(super) fn choose(&self, widths: &[Width], effort: Effort) -> Result<f64, QuantiseFolderError> {
        let mut places = self.reference.chosen();
        if effort == Effort::Compare && places.len() > COMPARED {
            places = (0..COMPARED).map(|at| places[at * places.len() / COMPARED]).collect();
        }
        let cosines = self.cosines(widths, &places)?;
        Ok(cosines.iter().sum::<f64>() / cosines.len() as f64)
    }

    /// Mean and least cosine of the inputs that judge.
    pub(super) fn judge(&self, widths: &[Width]) -> Result<(f64, f64), QuantiseFolderError> {
        let cosines = self.cosines(widths, &self.reference.held_out())?;
        let least = cosines.iter().copied().fold(f64::INFINITY, f64::min);
        Ok((cosines.iter().sum::<f64>() / cosines.len() as f64, least))
    }

    /// Of each input, the cosine of the output that is least like the float model's.
    fn cosines(&self, widths: &[Width], places: &[usize]) -> Result<Vec<f64>, QuantiseFolderError> {
        self.quantiser.write(widths, &self.trial, super::EXTERNAL_FROM)?;
        let runner = load(&self.trial, &self.reference.inputs)?;
        let of = |place: &usize| {
            let made = run(&runner, &self.reference.inputs, *place, &self.reference.outputs)?;
            let cosines = made.iter().zip(&self.reference.made[*place]).map(|(made, wanted)| made.cosine(wanted));
            Ok(cosines.fold(1.0, f64::min))
        };
        places.iter().map(of).collect()
    }
}

impl Rows {
    /// Mean cosine of rows.
    fn cosine(&self, other: &Self) -> f64 {
        let rows = self.values.chunks_exact(self.width).zip(other.values.chunks_exact(self.width));
        let (mut sum, mut count) = (0.0, 0.0);
        for (a, b) in rows {
            let product =
                |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let lengths = (product(a, a) * product(b, b)).sqrt();
            // Two rows of zeros are alike; one is unlike all others.
            sum += if lengths > 0.0 { product(a, b) / lengths } else { f64::from(u8::from(a == b)) };
            count += 1.0;
        }
        if count > 0.0 { sum / count } else { 1.0 }
    }
}

fn load(model: &Path, inputs: &Inputs) -> Result<Runner, QuantiseFolderError> {
    let pins: Vec<(&str, Vec<Option<usize>>)> =
        inputs.pins.iter().map(|(name, shape)| (name.as_str(), shape.clone())).collect();
    Ok(Runner::load(model, &pins)?)
}

fn run(runner: &Runner, inputs: &Inputs, at: usize, outputs: &[String]) -> Result<Vec<Rows>, QuantiseFolderError> {
    let names: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let made = runner.run(&inputs.feeds[at], &names)?;
    Ok(made
        .into_iter()
        .map(|output| {
            let width = output.shape.last().copied().unwrap_or(1).max(1);
            // Of an output for each position, those of what the input is filled up with say nothing.
            let rows = if output.shape.len() > 2 { inputs.own[at] } else { usize::MAX };
            let end = output.values.len().min(rows.saturating_mul(width));
            let kept = (NUMBERS_MAX / width).max(1) * width;
            Rows { width, values: output.values[end.saturating_sub(kept)..end].to_vec() }
        })
        .collect())
}
