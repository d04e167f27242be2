//! One regression tree, grown greedily on squared error.

/// Least that a split must take from the squared error.
const LEAST_GAIN: f64 = 1e-12;

/// A row of features.
pub(super) type Row = Vec<f64>;

#[derive(Clone, Debug)]
enum Node {
    Leaf(f64),
    Split { feature: usize, at: f64, below: Box<Node>, above: Box<Node> },
}

/// Thresholds on features, and a mean in every leaf.
#[derive(Clone, Debug)]
pub(super) struct Tree(Node);

/// How far a tree may grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Questions asked of a row, at most.
    pub(super) depth: usize,
    /// Rows in a leaf, at least.
    pub(super) leaf: usize,
}

impl Tree {
    /// Grows a tree on the rows named in `members`; there is at least one.
    pub(super) fn grow(rows: &[Row], targets: &[f64], members: Vec<usize>, shape: Shape) -> Self {
        Self(grow(rows, targets, members, shape))
    }

    /// The mean of the leaf that a row falls into.
    pub(super) fn value(&self, row: &[f64]) -> f64 {
        let mut node = &self.0;
        loop {
            match node {
                Node::Leaf(value) => return *value,
                Node::Split { feature, at, below, above } => node = if row[*feature] <= *at { below } else { above },
            }
        }
    }
}

fn grow(rows: &[Row], targets: &[f64], members: Vec<usize>, shape: Shape) -> Node {
    let mean = members.iter().map(|i| targets[*i]).sum::<f64>() / members.len() as f64;
    if shape.depth == 0 || members.len() < 2 * shape.leaf {
        return Node::Leaf(mean);
    }
    let Some((feature, at)) = split(rows, targets, &members, shape.leaf) else { return Node::Leaf(mean) };
    let (below, above) = members.into_iter().partition(|i| rows[*i][feature] <= at);
    let shape = Shape { depth: shape.depth - 1, ..shape };
    let child = |members| Box::new(grow(rows, targets, members, shape));
    Node::Split { feature, at, below: child(below), above: child(above) }
}

/// The split that takes most from the squared error, if one takes any.
fn split(rows: &[Row], targets: &[f64], members: &[usize], leaf: usize) -> Option<(usize, f64)> {
    let total: f64 = members.iter().map(|i| targets[*i]).sum();
    let mut best = (total * total / members.len() as f64 + LEAST_GAIN, None);
    for (feature, _) in rows[members[0]].iter().enumerate() {
        let mut column: Vec<(f64, f64)> = members.iter().map(|i| (rows[*i][feature], targets[*i])).collect();
        column.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (gain, at) in cuts(&column, total, leaf) {
            if gain > best.0 {
                best = (gain, Some((feature, at)));
            }
        }
    }
    best.1
}

/// Every cut of a column of ascending values and their targets that leaves `leaf` rows on both sides, with the sum of squared
/// sums over counts, which grows as the squared error falls.
fn cuts(column: &[(f64, f64)], total: f64, leaf: usize) -> impl Iterator<Item = (f64, f64)> {
    let count = column.len();
    let mut sum = 0.0;
    column.windows(2).enumerate().filter_map(move |(index, pair)| {
        let (n, (low, target), (high, _)) = (index + 1, pair[0], pair[1]);
        sum += target;
        let allowed = n >= leaf && count - n >= leaf && low < high;
        let gain = sum * sum / n as f64 + (total - sum).powi(2) / (count - n) as f64;
        allowed.then_some((gain, f64::midpoint(low, high)))
    })
}
