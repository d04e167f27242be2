//! Who decides in a rig: the policy, or one of the rules it is compared with.
//!
//! Every rule goes through the same turn code: the same quotes, shield, holds and fallbacks apply to all of them.

use std::path::PathBuf;
use std::sync::Arc;
use trimtab_core::limits::VIEWS_MAX;
use trimtab_core::observation::{TRIMTAB1_COLUMNS, TRIMTAB1_WIDTH};
use trimtab_core::{Action, TaskKind};
use trimtab_device::shell::{Choice, Chooser, FixedRule};
use trimtab_scenes::Rng;

/// Hidden units of the network with random weights: as many as the shipped policy's first layer.
const RANDOM_UNITS: usize = 48;

/// Who decides.
#[derive(Clone, Debug, Default)]
pub enum Choosing {
    /// The shipped policy, or the one that the settings name.
    #[default]
    Policy,
    /// The documented default rule.
    DefaultRule,
    /// The local model, whatever is asked.
    Local,
    /// The cloud node that declares the best quality, with every view.
    BestCloudAllViews,
    /// One action for each task kind.
    Table(TaskTable),
    /// A network of the policy's size whose weights are drawn from this seed.
    RandomWeights {
        /// Of the weights.
        seed: u64,
    },
}

/// One action for each known task kind, in the order of [`TaskKind::KNOWN`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskTable(pub [Action; TaskKind::KNOWN.len()]);

impl Choosing {
    /// Whether views that are unlikely to add anything may be dropped before the upload.
    #[must_use]
    pub const fn drops_views(&self) -> bool {
        matches!(self, Self::Policy | Self::DefaultRule)
    }
    /// The only action that may be taken, if there is but one.
    #[must_use]
    pub const fn only(&self) -> Option<Action> {
        match self {
            Self::Local => Some(Action::LOCAL),
            Self::Policy
            | Self::DefaultRule
            | Self::BestCloudAllViews
            | Self::Table(_)
            | Self::RandomWeights { .. } => None,
        }
    }
    /// As the device takes it. A policy file other than the configured one is part of the configuration.
    pub(crate) fn chooser(&self) -> Chooser {
        match self {
            Self::Policy => Chooser::Configured,
            Self::DefaultRule => Chooser::DefaultRule,
            Self::Local => fixed(|choice| f32::from(u8::from(choice.action.node.is_local()))),
            Self::BestCloudAllViews => fixed(best_cloud_all_views),
            Self::Table(table) => {
                let table = *table;
                fixed(move |choice| by_table(&table, choice))
            }
            Self::RandomWeights { seed } => {
                let network = RandomNetwork::draw(*seed);
                fixed(move |choice| network.score(&choice.row))
            }
        }
    }
    /// The policy file to configure: none where no policy decides.
    pub(crate) fn policy(&self, shipped: PathBuf) -> Option<PathBuf> {
        matches!(self, Self::Policy).then_some(shipped)
    }
}

fn fixed(score: impl Fn(&Choice) -> f32 + Send + Sync + 'static) -> Chooser {
    let rule: FixedRule = Arc::new(move |choices: &[Choice]| choices.iter().map(&score).collect());
    Chooser::Fixed(rule)
}

/// First column of a group of the observation.
fn column(group: &str) -> usize {
    TRIMTAB1_COLUMNS.iter().find(|(name, _)| *name == group).map_or(0, |(_, first)| *first)
}

/// Above local; among cloud nodes by declared quality, then by the number of views.
fn best_cloud_all_views(choice: &Choice) -> f32 {
    const QUALITY: usize = 7;
    if choice.action.node.is_local() {
        return 0.0;
    }
    let quality = choice.row.get(column("node") + QUALITY).copied().unwrap_or(0.0);
    1.0 + 10.0 * quality + choice.action.views.len() as f32 / (VIEWS_MAX + 1) as f32
}

/// The table's action for the likeliest task; then the local model.
fn by_table(table: &TaskTable, choice: &Choice) -> f32 {
    let first = column("task");
    let tasks = choice.row.get(first..first + TaskKind::KNOWN.len()).unwrap_or_default();
    let likeliest = tasks.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(task, _)| task);
    if table.0.get(likeliest) == Some(&choice.action) {
        1.0
    } else if choice.action.node.is_local() {
        0.5
    } else {
        0.0
    }
}

/// One hidden layer, weights uniform within the usual bound of their layer.
struct RandomNetwork {
    hidden: Vec<[f32; TRIMTAB1_WIDTH]>,
    out: Vec<f32>,
}

impl RandomNetwork {
    fn draw(seed: u64) -> Self {
        let mut rng = Rng::for_purpose(seed, "random weights");
        let bound = |inputs: usize| (3.0 / inputs as f32).sqrt();
        let (near, far) = (bound(TRIMTAB1_WIDTH), bound(RANDOM_UNITS));
        let hidden = (0..RANDOM_UNITS).map(|_| std::array::from_fn(|_| rng.range(-near, near))).collect();
        Self { hidden, out: (0..RANDOM_UNITS).map(|_| rng.range(-far, far)).collect() }
    }

    fn score(&self, row: &[f32; TRIMTAB1_WIDTH]) -> f32 {
        let unit = |weights: &[f32; TRIMTAB1_WIDTH]| {
            weights.iter().zip(row).map(|(weight, value)| weight * value).sum::<f32>().max(0.0)
        };
        self.hidden.iter().zip(&self.out).map(|(weights, out)| unit(weights) * out).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_core::{NodeIndex, ViewSet};

    fn choice(node: usize, views: ViewSet, quality: f32, task: usize) -> Choice {
        let mut row = [0.0; TRIMTAB1_WIDTH];
        row[column("node") + 7] = quality;
        row[column("task") + task] = 0.9;
        let node = NodeIndex::new(node).unwrap_or(NodeIndex::LOCAL);
        Choice { action: Action { node, views }, node: String::new(), row }
    }

    #[test]
    fn the_best_cloud_gets_every_view() {
        let all = ViewSet::first(3);
        let best = best_cloud_all_views(&choice(2, all, 0.9, 0));
        for other in [choice(2, all.without(0), 0.9, 0), choice(1, all, 0.6, 0), choice(0, ViewSet::EMPTY, 0.99, 0)] {
            assert!(best > best_cloud_all_views(&other), "{other:?}");
        }
    }

    #[test]
    fn a_table_looks_only_at_the_task() {
        let cloud = |views| Action { node: NodeIndex::new(1).unwrap_or(NodeIndex::LOCAL), views };
        let all = ViewSet::first(3);
        let table = TaskTable([Action::LOCAL, Action::LOCAL, cloud(all), cloud(all.without(1))]);
        assert_eq!(by_table(&table, &choice(1, all, 0.6, 2)), 1.0);
        assert_eq!(by_table(&table, &choice(1, all, 0.6, 3)), 0.0);
        assert_eq!(by_table(&table, &choice(0, ViewSet::EMPTY, 0.6, 0)), 1.0);
    }
}
