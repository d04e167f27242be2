//! Policies of the published layouts as files: int8 ONNX in, scores out.
//!
//! ```text
//! observation [1, 25 or 27] ─ ramps (· E + b, clip 0..1) or as it is ─ linear ─ act ─ linear ─ act ─ linear ─► score [1, 9]
//! ```

use std::path::Path;

use serde_json::json;
use trimtab_core::TaskKind;
use trimtab_core::observation::{Layout, TMO1_WIDTH};
use trimtab_engine::{LAYOUT_VERSION, PolicyError, PolicyFile};
use trimtab_quant::{DType, Graph, GraphError};

use super::encoding::{Ramp, observe};
use super::evaluation::{Budget, Chooser, Scene, best};
use super::levels::{levelled, levelled_within};
use super::rounding::rounded;
use super::{ACTIONS, Costs, Episode, NAMED_BUDGETS, State, TASKS, TURNS_PLANNED};
use crate::export::{ExportError, Weights};
use crate::network::{Activation, Mlp};

/// A policy to be written.
#[derive(Clone, PartialEq, Debug)]
pub struct PublishedPolicy {
    /// `tmo-1` or `tmo-1-rc`.
    pub layout: Layout,
    /// What the first layer reads; empty: the observation as it is.
    pub ramps: Vec<Ramp>,
    /// From there to nine scores.
    pub network: Mlp,
    /// Name of the learning method.
    pub algorithm: String,
    /// Of the training.
    pub seed: u64,
    /// sha256 of the training data.
    pub dataset_sha256: String,
    /// Turns of the training data.
    pub turns: usize,
    /// What budgets training has seen.
    pub budgets_seen: String,
}

impl PublishedPolicy {
    /// One that says nothing of where it comes from.
    #[must_use]
    pub fn new(layout: Layout, ramps: Vec<Ramp>, network: Mlp) -> Self {
        Self {
            layout,
            ramps,
            network,
            algorithm: String::new(),
            seed: 0,
            dataset_sha256: String::new(),
            turns: 0,
            budgets_seen: String::new(),
        }
    }

    /// The score of each action in a state with so much left of the budget.
    #[must_use]
    pub fn score(&self, state: State, remaining: Budget) -> [f32; ACTIONS] {
        let trace = self.network.trace(&self.features(state, remaining));
        std::array::from_fn(|action| trace.outputs()[action])
    }

    /// What the first layer reads.
    fn features(&self, state: State, remaining: Budget) -> Vec<f32> {
        let observation = observe(state, remaining);
        let observation = &observation[..self.layout.width()];
        if self.ramps.is_empty() {
            observation.to_vec()
        } else {
            self.ramps.iter().map(|ramp| ramp.of(observation)).collect()
        }
    }

    /// The policy as an int8 file can hold it, which decides as this one does: inputs levelled where it reads the observation as
    /// it is, and weights rounded for the states that it comes to in these episodes under [`NAMED_BUDGETS`], also with each
    /// other task. Fails on a weight that is no number.
    pub fn for_int8(&self, episodes: &[Episode], costs: &Costs) -> Result<Self, GraphError> {
        let mut policy = Self { network: levelled_within(&self.network), ..self.clone() };
        if policy.ramps.is_empty() {
            (policy.ramps, policy.network) = levelled(&policy.network, costs);
        }
        let mut features = Vec::new();
        for (episode, budget) in episodes.iter().flat_map(|episode| NAMED_BUDGETS.map(|budget| (episode, budget))) {
            let (mut state, mut remaining) = (State::EMPTY, budget);
            let mut action = None;
            for task in &episode.tasks {
                state = action.map_or(State::first(*task), |action| state.then(action, *task));
                features.extend((0..TASKS as u8).map(|task| policy.features(state.with_task(task), remaining)));
                let chosen = best(&self.score(state, remaining).map(f64::from));
                remaining = remaining.less(Budget::NOTHING.plus(costs, chosen));
                action = Some(chosen);
            }
        }
        policy.network = rounded(&policy.network, &features)?;
        Ok(policy)
    }

    /// Writes the policy file, whole or not at all.
    pub fn write(&self, weights: Weights, path: &Path) -> Result<(), ExportError> {
        let bytes = self.graph(weights).to_bytes()?;
        crate::whole::write(path, &bytes).map_err(|source| ExportError::Io { path: path.into(), source })
    }

    fn graph(&self, weights: Weights) -> Graph {
        let mut g = Graph::new("trimtab-policy");
        g.input("observation", DType::F32, &[1.into(), self.layout.width().into()]);
        let mut x = if self.ramps.is_empty() { "observation".into() } else { self.encode(&mut g) };
        let activation = match self.network.activation {
            Activation::Relu => "Relu",
            Activation::Tanh => "Tanh",
        };
        for (index, layer) in self.network.layers.iter().enumerate() {
            if index > 0 {
                x = g.op(activation, &[&x], &[]);
            }
            let bias = g.initializer_f32(&format!("layer{index}.bias"), &layer.bias, &[1, layer.outputs]);
            let weight = weights.add(&mut g, &format!("layer{index}.weight"), layer);
            let y = g.op("MatMul", &[&x, &weight], &[]);
            if index + 1 < self.network.layers.len() {
                x = g.op("Add", &[&y, &bias], &[]);
            } else {
                g.node("Add", &[&y, &bias], &["score"], &[]);
            }
        }
        g.output("score", DType::F32, &[1.into(), ACTIONS.into()]);
        self.describe(&mut g);
        g
    }

    fn encode(&self, g: &mut Graph) -> String {
        let (inputs, count) = (self.layout.width(), self.ramps.len());
        let mut matrix = vec![0.0; inputs * count];
        let mut offset = vec![0.0; count];
        for (column, ramp) in self.ramps.iter().enumerate() {
            let slope = 1.0 / (ramp.to - ramp.from);
            matrix[ramp.input * count + column] = slope;
            offset[column] = -ramp.from * slope;
        }
        let matrix = g.initializer_f32("ramps.slope", &matrix, &[inputs, count]);
        let offset = g.initializer_f32("ramps.offset", &offset, &[1, count]);
        let (low, high) = (g.initializer_f32("ramps.low", &[0.0], &[]), g.initializer_f32("ramps.high", &[1.0], &[]));
        let x = g.op("MatMul", &["observation", &matrix], &[]);
        let x = g.op("Add", &[&x, &offset], &[]);
        g.op("Clip", &[&x, &low, &high], &[])
    }

    fn describe(&self, g: &mut Graph) {
        for (key, value) in [
            ("layout", self.layout.name().to_owned()),
            ("layout_version", LAYOUT_VERSION.to_string()),
            ("views", json!(["image 0", "image 1", "image 2"]).to_string()),
            ("tasks", json!(TaskKind::KNOWN.map(TaskKind::name)).to_string()),
            ("algorithm", self.algorithm.clone()),
            ("seed", self.seed.to_string()),
            ("dataset_sha256", self.dataset_sha256.clone()),
            ("dataset_turns", self.turns.to_string()),
            ("budgets_seen", self.budgets_seen.clone()),
            ("horizon_turns", TURNS_PLANNED.to_string()),
            ("normaliser", "in the graph".to_owned()),
        ] {
            g.metadata(key, &value);
        }
    }
}

impl Chooser for PublishedPolicy {
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        Ok(self.score(scene.state, scene.remaining).map(f64::from))
    }
}

/// A policy file, run by the engine as on the device.
#[derive(Clone, Debug)]
pub struct FileChooser(PolicyFile);

impl FileChooser {
    /// Of a published layout; another one is refused.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let file = PolicyFile::load(path)?;
        if file.layout() == Layout::Trimtab1 {
            // The refusal that scoring would give, before anything is played.
            file.score_tmo1(&[0.0; TMO1_WIDTH])?;
        }
        Ok(Self(file))
    }

    /// The file.
    #[must_use]
    pub const fn file(&self) -> &PolicyFile {
        &self.0
    }
}

impl Chooser for FileChooser {
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        let observation = observe(scene.state, scene.remaining);
        Ok(self.0.score_tmo1(&observation[..self.0.layout().width()])?.map(f64::from))
    }
}
