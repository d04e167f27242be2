//! The training loop that all models share: AdamW, a short warm-up, a half cosine down to nothing, and a bar.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use indicatif::{ProgressBar, ProgressStyle};

/// How long to train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// So many optimiser steps; gives the same weights every time.
    Steps(usize),
    /// So much time by the clock.
    Time(Duration),
}

/// The device that trains: the processor, recording gradients, seeded.
#[must_use]
pub fn training_device(seed: u64) -> Device {
    let device = Device::flex().autodiff();
    device.seed(seed);
    device
}

/// Batches made on a thread of their own, one ahead of the trainer. `make` is given the number of the batch.
pub fn batches<B: Send + 'static>(make: impl Fn(u64) -> B + Send + 'static) -> Receiver<B> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut number = 0;
        // Ends when the trainer drops its end.
        while sender.send(make(number)).is_ok() {
            number += 1;
        }
    });
    receiver
}

/// What one run of training was.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Run {
    /// Optimiser steps.
    pub steps: usize,
    /// Time by the clock, seconds.
    pub seconds: f64,
    /// Smoothed loss at the end.
    pub loss: f32,
}

/// Peak learning rate and weight decay.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Peak learning rate.
    pub learning: f64,
    /// Weight decay.
    pub decay: f32,
}

const WARM_UP_STEPS: f64 = 40.0;
const GRADIENT_NORM_MAX: f32 = 1.0;
const REPORT_EVERY: usize = 20;
const LOG_EVERY: usize = 100;
const LOOK_EVERY: usize = 250;

/// Trains `model` on what `batches` brings until `budget` is used up.
pub fn fit<M: Module, B>(
    name: &str,
    model: M,
    budget: Budget,
    rates: Rates,
    batches: &Receiver<B>,
    loss: impl Fn(&M, B) -> Tensor<1>,
) -> (M, Run) {
    fit_watched(name, model, budget, rates, batches, loss, |_| String::new())
}

/// Trains as [`fit`] does and shows every so many steps what `look` finds.
pub fn fit_watched<M: Module, B>(
    name: &str,
    mut model: M,
    budget: Budget,
    rates: Rates,
    batches: &Receiver<B>,
    loss: impl Fn(&M, B) -> Tensor<1>,
    look: impl Fn(&M) -> String,
) -> (M, Run) {
    let clipping = GradientClippingConfig::Norm(GRADIENT_NORM_MAX);
    let mut optimiser = AdamWConfig::new().with_weight_decay(rates.decay).with_grad_clipping(Some(clipping)).init();
    let bar = ProgressBar::new(1000);
    if let Ok(style) = ProgressStyle::with_template("{prefix:12} {bar:30} {percent:>3}% {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(name.to_owned());
    let start = Instant::now();
    let (mut steps, mut smooth) = (0, f32::NAN);
    while let Ok(batch) = batches.recv() {
        let done = match budget {
            Budget::Steps(0) => 1.0,
            Budget::Steps(all) => steps as f64 / all as f64,
            Budget::Time(all) => start.elapsed().as_secs_f64() / all.as_secs_f64().max(1e-3),
        };
        if done >= 1.0 {
            break;
        }
        let warm = ((steps + 1) as f64 / WARM_UP_STEPS).min(1.0);
        let rate = rates.learning * warm * 0.5 * (1.0 + (core::f64::consts::PI * done).cos());
        let value = loss(&model, batch);
        let gradients = GradientsParams::from_grads(value.backward(), &model);
        model = optimiser.step(rate, model, gradients);
        if steps % REPORT_EVERY == 0 {
            let now = value.into_scalar::<f32>();
            smooth = if smooth.is_nan() { now } else { 0.8 * smooth + 0.2 * now };
            bar.set_position((done * 1000.0) as u64);
            bar.set_message(format!("step {steps} loss {smooth:.4}"));
            // A log has no bar: it gets a line now and then.
            if bar.is_hidden() && steps % LOG_EVERY == 0 {
                eprintln!("{name}: {:.0} %, step {steps}, loss {smooth:.4}", done * 100.0);
            }
        }
        steps += 1;
        if steps % LOOK_EVERY == 0 {
            let found = look(&model.valid());
            if !found.is_empty() {
                bar.suspend(|| eprintln!("{name}: step {steps}, {found}"));
            }
        }
    }
    bar.abandon();
    eprintln!("{name}: {steps} steps in {:.0} s, loss {smooth:.4}", start.elapsed().as_secs_f64());
    (model, Run { steps, seconds: start.elapsed().as_secs_f64(), loss: smooth })
}
