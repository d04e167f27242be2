//! An action is a node and a set of views. Numbers follow DESIGN: 0 is local; then, node by node, each subset of views,
//! ordered by count, then lexicographically. One cloud node and three views give exactly TMO's actions 0–8.

use crate::limits::{NODES_MAX, VIEWS_MAX};
use serde::{Deserialize, Serialize};

/// Which node of a turn's list; 0 is the local engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeIndex(u8);

impl NodeIndex {
    /// The local engine.
    pub const LOCAL: Self = Self(0);
    /// Node number `index`, if it is below [`NODES_MAX`].
    #[must_use]
    pub const fn new(index: usize) -> Option<Self> {
        if index < NODES_MAX { Some(Self(index as u8)) } else { None }
    }
    /// As an index.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
    /// Whether this is the local engine.
    #[must_use]
    pub const fn is_local(self) -> bool {
        self.0 == 0
    }
}

/// A set of views, by their index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ViewSet(u8);

impl ViewSet {
    /// No view.
    pub const EMPTY: Self = Self(0);

    /// The first `n` views.
    #[must_use]
    pub const fn first(n: usize) -> Self {
        let n = if n > VIEWS_MAX { VIEWS_MAX } else { n };
        Self(((1_u16 << n) - 1) as u8)
    }
    /// With view `index` added; unchanged if there is no such view.
    #[must_use]
    pub const fn with(self, index: usize) -> Self {
        if index < VIEWS_MAX { Self(self.0 | 1 << index) } else { self }
    }
    /// Without view `index`.
    #[must_use]
    pub const fn without(self, index: usize) -> Self {
        if index < VIEWS_MAX { Self(self.0 & !(1 << index)) } else { self }
    }
    /// Whether view `index` is in the set.
    #[must_use]
    pub const fn contains(self, index: usize) -> bool {
        index < VIEWS_MAX && self.0 & (1 << index) != 0
    }
    /// Whether every view of `other` is in this set.
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Number of views.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }
    /// Whether there is no view.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// The views, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..VIEWS_MAX).filter(move |index| self.contains(*index))
    }
    /// One bit a view, view 0 lowest.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
    /// From one bit a view; bits beyond [`VIEWS_MAX`] are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::first(VIEWS_MAX).0)
    }
    /// Every subset of `views` views, ordered by count, then lexicographically.
    pub fn subsets(views: usize) -> impl Iterator<Item = Self> {
        let views = views.min(VIEWS_MAX);
        (0..=views).flat_map(move |count| Combinations::new(views, count))
    }
}

/// Subsets of one size in lexicographic order of their view lists.
struct Combinations {
    views: usize,
    next: Option<ViewSet>,
}

impl Combinations {
    const fn new(views: usize, count: usize) -> Self {
        Self { views, next: Some(ViewSet::first(count)) }
    }
}

impl Iterator for Combinations {
    type Item = ViewSet;
    fn next(&mut self) -> Option<ViewSet> {
        let current = self.next?;
        // The successor moves the last view that has room behind it one further, and closes the rest up behind it.
        let mut tail = 0;
        self.next = None;
        for index in (0..self.views).rev() {
            if !current.contains(index) {
                continue;
            }
            if index + 1 + tail < self.views {
                let kept = current.bits() & ViewSet::first(index).bits();
                self.next =
                    Some((index + 1..index + 2 + tail).fold(ViewSet::from_bits(kept), |set, view| set.with(view)));
                break;
            }
            tail += 1;
        }
        Some(current)
    }
}

/// A node and the views that go to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Action {
    /// Who answers.
    pub node: NodeIndex,
    /// Which views are uploaded; always empty for the local engine.
    pub views: ViewSet,
}

impl Action {
    /// The local engine, which uploads nothing.
    pub const LOCAL: Self = Self { node: NodeIndex::LOCAL, views: ViewSet::EMPTY };

    /// Every action over `nodes` nodes (the local one included) and `views` views, in the order of their numbers.
    pub fn all(nodes: usize, views: usize) -> impl Iterator<Item = Self> {
        let cloud = (1..nodes.min(NODES_MAX))
            .filter_map(NodeIndex::new)
            .flat_map(move |node| ViewSet::subsets(views).map(move |views| Self { node, views }));
        core::iter::once(Self::LOCAL).chain(cloud)
    }
    /// This action's number among [`Action::all`].
    #[must_use]
    pub fn number(self, nodes: usize, views: usize) -> Option<usize> {
        Self::all(nodes, views).position(|action| action == self)
    }
    /// How many actions there are.
    #[must_use]
    pub const fn count(nodes: usize, views: usize) -> usize {
        1 + nodes.saturating_sub(1) * (1 << views)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cloud_node_and_three_views_are_the_published_nine() {
        let sets: heapless::Vec<u8, 16> = Action::all(2, 3).map(|action| action.views.bits()).collect();
        assert_eq!(sets, [0, 0, 0b001, 0b010, 0b100, 0b011, 0b101, 0b110, 0b111]);
        assert_eq!(Action::count(2, 3), 9);
    }

    #[test]
    fn numbers_are_dense_and_unique_up_to_the_limits() {
        for views in 0..=VIEWS_MAX {
            assert_eq!(ViewSet::subsets(views).count(), 1 << views);
            let seen = ViewSet::subsets(views).fold(0_u64, |seen, set| seen | 1 << set.bits());
            assert_eq!(seen.count_ones(), 1 << views);
        }
        assert_eq!(Action::all(NODES_MAX, VIEWS_MAX).count(), crate::limits::CANDIDATES_MAX);
        assert_eq!(Action::all(3, 3).nth(9).and_then(|action| action.number(3, 3)), Some(9));
    }
}
