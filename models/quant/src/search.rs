//! Which layers to leave wider, so that a model keeps to what it was: by measurement.
//!
//! All layers begin as narrow as they can be. If that is not close enough, each is widened alone, to see how much of the loss is
//! its own; then as few as possible are widened, the worst first. From four bits the next width is a byte, from a byte it is float.

use crate::Width;

/// How much of the material a measurement takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// A little: layers are only compared.
    Compare,
    /// All that there is for choosing.
    Judge,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// A width for each layer.
    pub widths: Vec<Width>,
    /// What was measured with them.
    pub measured: f64,
    /// Layers that were widened, the worst first, each with what widening it alone gained.
    pub widened: Vec<(usize, f64)>,
    /// Measurements taken.
    pub runs: usize,
}

/// Runs a model with these widths and says how close it comes.
pub type Measure<'a, E> = &'a mut dyn FnMut(&[Width], Effort) -> Result<f64, E>;

/// Finds widths with which `measure` gives `target` at least, beginning at `narrowest`. Where there are more layers than
/// `runs_max`, neighbours are compared together. The best that there is without leaving everything in float is returned where the
/// target cannot be met; `measured` says it.
pub fn search<E>(narrowest: &[Width], target: f64, runs_max: usize, measure: Measure<'_, E>) -> Result<Choice, E> {
    let mut widths = narrowest.to_vec();
    let mut choice =
        Choice { widths: widths.clone(), measured: measure(&widths, Effort::Judge)?, widened: Vec::new(), runs: 1 };
    for (from, to) in [(Width::Int4, Width::Int8), (Width::Int8, Width::Float)] {
        let layers: Vec<usize> = (0..widths.len()).filter(|layer| widths[*layer] == from).collect();
        if choice.measured >= target || layers.is_empty() {
            continue;
        }
        let with = |widths: &[Width], wide: &[usize]| {
            let mut widths = widths.to_vec();
            wide.iter().for_each(|layer| widths[*layer] = to);
            widths
        };
        let together = layers.len().div_ceil(runs_max.max(1)).max(1);
        let before = measure(&widths, Effort::Compare)?;
        let mut groups: Vec<(&[usize], f64)> = Vec::new();
        for group in layers.chunks(together) {
            groups.push((group, measure(&with(&widths, group), Effort::Compare)? - before));
        }
        choice.runs += 1 + groups.len();
        groups.sort_by(|a, b| b.1.total_cmp(&a.1));
        let worst = |count: usize| groups[..count].iter().flat_map(|(group, _)| *group).copied().collect::<Vec<_>>();
        // Of the counts from `low` on, `high` is the least known to do.
        let (mut low, mut high) = (1, groups.len());
        let mut best = None;
        // To leave every layer in float is no answer; every layer a byte wide is.
        let all = if to == Width::Float { high - 1 } else { high };
        if all >= 1 {
            let tried = with(&widths, &worst(all));
            choice.runs += 1;
            best = Some((measure(&tried, Effort::Judge)?, tried));
            high = all;
        }
        let reachable = best.as_ref().is_some_and(|(measured, _)| *measured >= target);
        while reachable && low < high {
            let middle = usize::midpoint(low, high);
            let tried = with(&widths, &worst(middle));
            let measured = measure(&tried, Effort::Judge)?;
            choice.runs += 1;
            if measured >= target {
                high = middle;
                best = Some((measured, tried));
            } else {
                low = middle + 1;
            }
        }
        if let Some((measured, found)) = best {
            let gained = groups[..high].iter().flat_map(|(group, gain)| group.iter().map(|layer| (*layer, *gain)));
            choice.widened.extend(gained);
            choice.measured = measured;
            widths.clone_from(&found);
            choice.widths = found;
        }
    }
    Ok(choice)
}
