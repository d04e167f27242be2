//! What an action takes, by device and network. Figures: the profiles published with TMO (paper, section 5.1; released code).

use super::{ACTIONS, VIEWS};

/// Classes of actions that cost the same: local, then cloud with 0, 1, 2 and 3 views.
pub const CLASSES: usize = VIEWS + 2;
/// Parameters of the published local model.
const PARAMETERS: f64 = 3.8e9;
/// The published formula divides by this prompt length…
const PROMPT_TOKENS: f64 = 1024.0;
/// … and multiplies with this total length, so a local answer costs as much as two tokens.
const TOTAL_TOKENS: f64 = 2048.0;
/// Published price of electricity.
const USD_PER_KWH: f64 = 0.1668;
const JOULES_PER_KWH: f64 = 3.6e6;

/// How long a local answer is taken to take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LocalTime {
    /// As published: the formula divides by the prompt length, so an answer costs as much as two tokens.
    #[default]
    Published,
    /// Two operations for each parameter and each token of the published prompt length, at peak arithmetic: 5.85 s on a Jetson
    /// TX2, where logged local turns took 7.27 s. Source of two operations a parameter: Kaplan et al. 2020, section 2.1.
    Corrected,
}

/// A local device.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Device {
    /// As in the paper.
    pub name: &'static str,
    /// Peak arithmetic, in 10⁹ operations a second.
    pub gflops: f64,
    /// Peak draw in watts.
    pub watts: f64,
}

/// The published local devices.
pub const DEVICES: [Device; 8] = [
    Device { name: "Raspberry Pi-4B", gflops: 13.5, watts: 8.0 },
    Device { name: "Raspberry Pi-5", gflops: 31.4, watts: 12.0 },
    Device { name: "Jetson Nano", gflops: 472.0, watts: 10.0 },
    Device { name: "Jetson TX2", gflops: 1.33e3, watts: 15.0 },
    Device { name: "Jetson Xavier NX", gflops: 21e3, watts: 20.0 },
    Device { name: "Jetson Orin NX", gflops: 100e3, watts: 25.0 },
    Device { name: "Jetson AGX Orin", gflops: 275e3, watts: 60.0 },
    Device { name: "iPhone 15 Pro", gflops: 35e3, watts: 15.0 },
];

/// A way to the cloud, by the number of views uploaded.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Network {
    /// As in the paper.
    pub name: &'static str,
    /// Seconds of a turn with 0, 1, 2 and 3 views.
    pub seconds: [f64; VIEWS + 1],
    /// USD of a turn with 0, 1, 2 and 3 views.
    pub usd: [f64; VIEWS + 1],
}

const USD: [f64; VIEWS + 1] = [0.00049, 0.005, 0.00945, 0.01368];

/// The published networks.
pub const NETWORKS: [Network; 4] = [
    Network { name: "Wired", seconds: [6.46030, 4.76134, 6.24569, 6.98211], usd: USD },
    Network { name: "WiFi", seconds: [0.5, 1.898, 2.016, 2.238], usd: USD },
    Network { name: "5G", seconds: [0.5, 6.037, 6.412, 7.118], usd: USD },
    Network { name: "4G", seconds: [0.5, 16.603, 17.636, 19.573], usd: USD },
];

/// What each class of actions takes, and the same normalised to 0..=1 over the classes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Costs {
    /// Seconds of each class.
    pub seconds: [f64; CLASSES],
    /// USD of each class.
    pub usd: [f64; CLASSES],
    /// Normalised seconds.
    pub latency: [f64; CLASSES],
    /// Normalised USD.
    pub usage: [f64; CLASSES],
}

impl Default for Costs {
    /// Jetson TX2, wired: the paper's main setting.
    fn default() -> Self {
        Self::of(&DEVICES[3], &NETWORKS[0])
    }
}

impl Costs {
    /// On that device, over that network.
    #[must_use]
    pub fn of(device: &Device, network: &Network) -> Self {
        Self::with(device, network, LocalTime::Published)
    }

    /// The same with another local time, and the joules that follow from it.
    #[must_use]
    pub fn with(device: &Device, network: &Network, time: LocalTime) -> Self {
        let tokens = match time {
            LocalTime::Published => TOTAL_TOKENS / PROMPT_TOKENS,
            LocalTime::Corrected => PROMPT_TOKENS,
        };
        let local = 2.0 * PARAMETERS * tokens / (device.gflops * 1e9);
        let local_usd = device.watts * local * USD_PER_KWH / JOULES_PER_KWH;
        let with_local = |local: f64, cloud: &[f64; VIEWS + 1]| -> [f64; CLASSES] {
            std::array::from_fn(|class| if class == 0 { local } else { cloud[class - 1] })
        };
        let (seconds, usd) = (with_local(local, &network.seconds), with_local(local_usd, &network.usd));
        Self { seconds, usd, latency: normalised(&seconds), usage: normalised(&usd) }
    }

    /// What latency and usage take off the reward of an action, before the third.
    #[must_use]
    pub fn penalty(&self, action: usize) -> f64 {
        self.latency[class_of(action)] + self.usage[class_of(action)]
    }
}

/// Smallest to 0, largest to 1. All 0 where they are all alike.
pub(super) fn normalised<const N: usize>(values: &[f64; N]) -> [f64; N] {
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    let span = high - low;
    values.map(|v| if span > 0.0 { (v - low) / span } else { 0.0 })
}

/// The class of an action: 0 local, 1 + number of views otherwise.
#[must_use]
pub fn class_of(action: usize) -> usize {
    const CLASS: [usize; ACTIONS] = [0, 1, 2, 2, 2, 3, 3, 3, 4];
    CLASS[action]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_setting_is_the_published_one() {
        let costs = Costs::default();
        assert!((costs.seconds[0] - 0.011_428_571_428_571_429).abs() < 1e-15);
        assert!((costs.usd[0] - 7.942_857_142_857_142e-9).abs() < 1e-20);
        assert_eq!((costs.latency[0], costs.latency[4], costs.usage[4]), (0.0, 1.0, 1.0));
    }

    #[test]
    fn a_corrected_local_answer_takes_seconds() {
        let costs = Costs::with(&DEVICES[3], &NETWORKS[0], LocalTime::Corrected);
        assert!((costs.seconds[0] - 5.851).abs() < 1e-3, "{}", costs.seconds[0]);
        // 15 W for that long.
        assert!((costs.usd[0] - 4.0667e-6).abs() < 1e-9, "{}", costs.usd[0]);
        assert_eq!(costs.seconds[1..], Costs::default().seconds[1..]);
    }
}
