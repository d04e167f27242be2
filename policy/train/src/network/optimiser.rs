//! Adam, RMSprop and the limit on a gradient's length.

use super::Mlp;

/// Decay of Adam's first moment. Source: Kingma and Ba 2015, as the other two.
const BETA_1: f32 = 0.9;
/// Decay of Adam's second moment.
const BETA_2: f32 = 0.999;
/// Keeps Adam's quotient finite.
const EPSILON: f32 = 1e-8;
/// Added to a length before it divides.
const LENGTH_EPSILON: f32 = 1e-6;

/// Adam with decoupled weight decay. Source: Kingma and Ba 2015; Loshchilov and Hutter 2019.
#[derive(Clone, Debug)]
pub struct Adam {
    first: Mlp,
    second: Mlp,
    epsilon: f32,
    step: i32,
}

impl Adam {
    /// For a network of this shape.
    #[must_use]
    pub fn new(network: &Mlp) -> Self {
        Self::with_epsilon(network, EPSILON)
    }

    /// For a network of this shape, with another number to keep the quotient finite.
    #[must_use]
    pub fn with_epsilon(network: &Mlp, epsilon: f32) -> Self {
        Self { first: network.zeros_like(), second: network.zeros_like(), epsilon, step: 0 }
    }

    /// Moves the network against `gradient` at a learning rate, and its weights towards zero.
    pub fn step(&mut self, network: &mut Mlp, gradient: &Mlp, rate: f32, decay: f32) {
        self.step = self.step.saturating_add(1);
        let (bias_1, bias_2) = (1.0 - BETA_1.powi(self.step), 1.0 - BETA_2.powi(self.step));
        let moments = self.first.tensors_mut().zip(self.second.tensors_mut());
        for ((parameters, gradients), (first, second)) in network.tensors_mut().zip(gradient.tensors()).zip(moments) {
            let moments = first.iter_mut().zip(second);
            for ((parameter, gradient), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
                *m = BETA_1 * *m + (1.0 - BETA_1) * gradient;
                *v = BETA_2 * *v + (1.0 - BETA_2) * gradient * gradient;
                let direction = (*m / bias_1) / ((*v / bias_2).sqrt() + self.epsilon);
                *parameter -= rate * (direction + decay * *parameter);
            }
        }
    }
}

/// Divides every slope by the root of its running mean square. Source: Tieleman and Hinton 2012.
#[derive(Clone, Debug)]
pub struct RmsProp {
    square: Mlp,
    alpha: f32,
    epsilon: f32,
}

impl RmsProp {
    /// For a network of this shape. `alpha` is the decay of the mean square; `epsilon` keeps the quotient finite.
    #[must_use]
    pub fn new(network: &Mlp, alpha: f32, epsilon: f32) -> Self {
        Self { square: network.zeros_like(), alpha, epsilon }
    }

    /// Moves the network against `gradient` at a learning rate.
    pub fn step(&mut self, network: &mut Mlp, gradient: &Mlp, rate: f32) {
        let squares = self.square.tensors_mut();
        for ((parameters, gradients), squares) in network.tensors_mut().zip(gradient.tensors()).zip(squares) {
            for ((parameter, gradient), square) in parameters.iter_mut().zip(gradients).zip(squares) {
                *square = self.alpha * *square + (1.0 - self.alpha) * gradient * gradient;
                *parameter -= rate * gradient / (square.sqrt() + self.epsilon);
            }
        }
    }
}

/// Shortens the gradient of one loss, spread over several networks, to a length of at most `limit`.
pub fn clip_norm(gradients: &mut [&mut Mlp], limit: f32) {
    let square: f32 = gradients.iter().flat_map(|gradient| gradient.tensors()).map(square).sum();
    let shrink = limit / (square.sqrt() + LENGTH_EPSILON);
    if shrink < 1.0 {
        let tensors = gradients.iter_mut().flat_map(|gradient| gradient.tensors_mut());
        tensors.for_each(|tensor| tensor.iter_mut().for_each(|slope| *slope *= shrink));
    }
}

/// The sum of squares, as four sums side by side.
fn square(tensor: &[f32]) -> f32 {
    let (chunks, rest) = tensor.as_chunks::<4>();
    let mut sums = [0.0_f32; 4];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x * x);
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_scenes::Rng;

    #[test]
    fn a_long_gradient_is_shortened_and_a_short_one_left() {
        let mut rng = Rng::for_purpose(5, "length");
        let (mut a, mut b) = (Mlp::random(&[3, 4, 2], &mut rng), Mlp::random(&[3, 5, 1], &mut rng));
        let length = |a: &Mlp, b: &Mlp| (a.parameters().chain(b.parameters()).map(|x| x * x).sum::<f32>()).sqrt();
        clip_norm(&mut [&mut a, &mut b], 0.5);
        assert!((length(&a, &b) - 0.5).abs() < 1e-5);
        let before = (a.clone(), b.clone());
        clip_norm(&mut [&mut a, &mut b], 0.6);
        assert_eq!(before, (a, b));
    }
}
