//! The search for layers that must be wider, against losses that are known.

use std::convert::Infallible;

use trimtab_quant::{Effort, Width, search};

/// A model whose layers each lose so much at a byte, and ten times that at four bits.
fn run(losses: &[f64], narrowest: Width, target: f64, runs_max: usize) -> trimtab_quant::Choice {
    let mut runs = 0;
    let mut measure = |widths: &[Width], _: Effort| -> Result<f64, Infallible> {
        runs += 1;
        let lost = widths.iter().zip(losses).map(|(width, loss)| match width {
            Width::Float => 0.0,
            Width::Int8 => *loss,
            Width::Int4 => 10.0 * loss,
        });
        Ok(1.0 - lost.sum::<f64>())
    };
    let choice = search(&vec![narrowest; losses.len()], target, runs_max, &mut measure).unwrap();
    assert_eq!(choice.runs, runs);
    choice
}

#[test]
fn as_few_layers_as_possible_are_widened_the_worst_first() {
    let losses = [0.0001, 0.02, 0.0001, 0.0001, 0.01, 0.0001];
    let choice = run(&losses, Width::Int8, 0.99, 64);
    assert_eq!(choice.widened.iter().map(|(layer, _)| *layer).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(choice.widths.iter().filter(|width| **width == Width::Float).count(), 2);
    assert!(choice.measured >= 0.99);
    assert_eq!(run(&losses, Width::Int8, 0.9, 64).runs, 1, "what is close enough is left alone");

    let four = run(&losses, Width::Int4, 0.95, 64);
    assert_eq!((four.widths[1], four.widths[4], four.widths[0]), (Width::Int8, Width::Int8, Width::Int4));
}

#[test]
fn what_cannot_be_met_is_said() {
    let choice = run(&[0.1, 0.1, 0.1], Width::Int8, 0.99, 64);
    assert!(choice.measured < 0.99 && choice.widths.contains(&Width::Int8), "{choice:?}");
    let one = run(&[0.1], Width::Int8, 0.99, 64);
    assert_eq!(one.widths, [Width::Int8]);
}

#[test]
fn many_layers_are_compared_in_groups() {
    let mut losses = vec![0.00001; 300];
    losses[77] = 0.05;
    let choice = run(&losses, Width::Int8, 0.99, 30);
    assert!(choice.widths[77] == Width::Float && choice.widened.len() == 10 && choice.runs < 45, "{choice:?}");
}
