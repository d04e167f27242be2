//! A k-d tree that breaks ties between equally near points exactly as scikit-learn 1.7 does.
//!
//! Nearly two thirds of the queries of the published environment tie between the fifth and the sixth neighbour, so its figures
//! depend on the order in which a tree visits its points. That order follows from: which dimension splits a node (widest spread,
//! first of equals), how the C++ standard library's `nth_element` leaves the halves (introselect: median of three, unguarded
//! partition, insertion sort of the last three), which child is visited first (smaller lower bound, left of equals) and which of
//! several worst neighbours a new one displaces (root of a binary max-heap).

use std::cmp::Ordering;

/// Points of a leaf, at most about twice as many.
const LEAF_POINTS: usize = 30;

/// A node: a range of the tree's order of points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Node {
    /// First place.
    pub(super) start: usize,
    /// Place after the last.
    pub(super) end: usize,
    /// Has no children.
    pub(super) leaf: bool,
}

/// The order of points and the nodes over it; node `i` has the children `2i + 1` and `2i + 2`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Tree {
    /// Index of the point at each place.
    pub(super) order: Vec<usize>,
    /// The root first.
    pub(super) nodes: Vec<Node>,
}

impl Tree {
    /// Of points with small whole coordinates, at least one.
    pub(super) fn build<const D: usize>(points: &[[i8; D]]) -> Self {
        let count = points.len();
        let ratio = (count.saturating_sub(1) as f64 / LEAF_POINTS as f64).max(1.0);
        let levels = ratio.log2() as u32 + 1;
        let empty = Node { start: 0, end: 0, leaf: true };
        let mut tree = Self { order: (0..count).collect(), nodes: vec![empty; (1 << levels) - 1] };
        tree.split(points, 0, 0, count);
        tree
    }

    fn split<const D: usize>(&mut self, points: &[[i8; D]], node: usize, start: usize, end: usize) {
        let leaf = 2 * node + 1 >= self.nodes.len() || end - start < 2;
        self.nodes[node] = Node { start, end, leaf };
        if leaf {
            return;
        }
        let places = &mut self.order[start..end];
        let dimension = widest(points, places);
        let middle = places.len() / 2;
        select(places, middle, &|a, b| (points[a][dimension], a).cmp(&(points[b][dimension], b)));
        self.split(points, 2 * node + 1, start, start + middle);
        self.split(points, 2 * node + 2, start + middle, end);
    }

    /// Smallest and largest coordinate over the points of a node.
    pub(super) fn bounds<const D: usize>(&self, points: &[[i8; D]], node: usize) -> ([i8; D], [i8; D]) {
        let Node { start, end, .. } = self.nodes[node];
        self.order[start..end].iter().fold(([i8::MAX; D], [i8::MIN; D]), |(mut low, mut high), index| {
            for (d, x) in points[*index].into_iter().enumerate() {
                (low[d], high[d]) = (low[d].min(x), high[d].max(x));
            }
            (low, high)
        })
    }
}

fn widest<const D: usize>(points: &[[i8; D]], places: &[usize]) -> usize {
    let spread = |d: usize| {
        let values = places.iter().map(|index| i16::from(points[*index][d]));
        values.clone().max().unwrap_or(0) - values.min().unwrap_or(0)
    };
    (0..D).fold((0, 0), |(best, most), d| if spread(d) > most { (d, spread(d)) } else { (best, most) }).0
}

/// Puts the element of rank `nth` into its place, smaller ones before it, by introselect.
fn select(list: &mut [usize], nth: usize, order: &dyn Fn(usize, usize) -> Ordering) {
    let (mut first, mut last) = (0, list.len());
    let mut depth = 2 * list.len().max(1).ilog2();
    while last - first > 3 {
        if depth == 0 {
            // Not reached with points of so few distinct values as these; any exact selection is right from here.
            list[first..last].sort_unstable_by(|a, b| order(*a, *b));
            return;
        }
        depth -= 1;
        let cut = partition(list, first, last, order);
        if cut <= nth {
            first = cut;
        } else {
            last = cut;
        }
    }
    list[first..last].sort_unstable_by(|a, b| order(*a, *b));
}

/// Partitions about the median of the second, the middle and the last element; returns where the upper part starts.
fn partition(list: &mut [usize], first: usize, last: usize, order: &dyn Fn(usize, usize) -> Ordering) -> usize {
    let less = |a: usize, b: usize| order(a, b) == Ordering::Less;
    let (a, b, c) = (first + 1, usize::midpoint(first, last), last - 1);
    let median = if less(list[a], list[b]) {
        if less(list[b], list[c]) {
            b
        } else if less(list[a], list[c]) {
            c
        } else {
            a
        }
    } else if less(list[a], list[c]) {
        a
    } else if less(list[b], list[c]) {
        c
    } else {
        b
    };
    list.swap(first, median);
    let (pivot, mut low, mut high) = (list[first], first + 1, last);
    loop {
        while less(list[low], pivot) {
            low += 1;
        }
        high -= 1;
        while less(pivot, list[high]) {
            high -= 1;
        }
        if low >= high {
            return low;
        }
        list.swap(low, high);
        low += 1;
    }
}

/// The nearest so far: a max-heap of fixed size over (squared distance, place).
#[derive(Clone, Debug)]
pub(super) struct Nearest {
    found: Vec<(u8, u32)>,
}

impl Nearest {
    pub(super) fn new(count: usize) -> Self {
        Self { found: vec![(u8::MAX, 0); count] }
    }

    pub(super) fn clear(&mut self) {
        self.found.fill((u8::MAX, 0));
    }

    /// The farthest of the nearest.
    pub(super) fn worst(&self) -> u8 {
        self.found[0].0
    }

    /// In the heap's order.
    pub(super) fn found(&self) -> &[(u8, u32)] {
        &self.found
    }

    /// Takes a point in if it is nearer than the worst, in place of the root.
    pub(super) fn push(&mut self, distance: u8, place: u32) {
        if distance >= self.worst() {
            return;
        }
        let heap = &mut self.found;
        let mut hole = 0;
        loop {
            let (left, right) = (2 * hole + 1, 2 * hole + 2);
            let larger = match (heap.get(left), heap.get(right)) {
                (None, _) => break,
                (Some(_), None) => left,
                (Some(l), Some(r)) => {
                    if l.0 >= r.0 {
                        left
                    } else {
                        right
                    }
                }
            };
            if heap[larger].0 <= distance {
                break;
            }
            heap[hole] = heap[larger];
            hole = larger;
        }
        heap[hole] = (distance, place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_scenes::Rng;

    /// The tree finds points as near as any others are; which of several equally near ones is the tree's own affair.
    #[test]
    fn finds_the_nearest() {
        let mut rng = Rng::for_purpose(5, "tree");
        for count in [1, 4, 29, 61, 200] {
            let point = |rng: &mut Rng| -> [i8; 6] { std::array::from_fn(|_| rng.below(4) as i8 - 1) };
            let points: Vec<[i8; 6]> = (0..count).map(|_| point(&mut rng)).collect();
            let tree = Tree::build(&points);
            let mut order = tree.order.clone();
            order.sort_unstable();
            assert!(order.iter().copied().eq(0..count), "every point has one place");
            let leaves: usize = tree.nodes.iter().filter(|node| node.leaf).map(|node| node.end - node.start).sum();
            assert_eq!(leaves, count);
            let from = point(&mut rng);
            let distance = |p: &[i8; 6]| p.iter().zip(&from).map(|(a, b)| ((a - b) * (a - b)) as u8).sum::<u8>();
            let mut nearest = Nearest::new(count.min(5));
            for (place, index) in tree.order.iter().enumerate() {
                nearest.push(distance(&points[*index]), place as u32);
            }
            let mut found: Vec<u8> = nearest.found().iter().map(|(distance, _)| *distance).collect();
            let mut all: Vec<u8> = points.iter().map(distance).collect();
            found.sort_unstable();
            all.sort_unstable();
            assert_eq!(found, all[..found.len()]);
        }
    }
}
