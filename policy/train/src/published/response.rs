//! The published estimate of an answer's score: the mean over the nearest logged turns, weighted by one over their distance.
//!
//! Inputs are the 25 numbers of the state and four of the action, as they are: [cloud, view 0, view 1, view 2]. All are small
//! whole numbers, so squared distances are exact in a byte, and fall into one table for each record of the state.

use super::episode::views_of;
use super::kdtree::{Nearest, Tree};
use super::state::{FIELDS, fields};
use super::{ACTIONS, Episode, HISTORY, RECORDS, State};

/// Neighbours of the published estimate.
pub const NEIGHBOURS: usize = 5;
/// Added to a distance before it divides.
const SOFTENING: f64 = 1e-6;
const ACTION_FIELDS: usize = 4;
/// Points that are passed over together.
const BLOCK: usize = 32;
const WIDTH: usize = FIELDS * HISTORY + ACTION_FIELDS;
/// Largest squared distance and one more: 32 for each record, 4 for the action.
const DISTANCES: usize = 32 * HISTORY + ACTION_FIELDS + 1;
const _: () = assert!(DISTANCES <= u8::MAX as usize);

/// Estimated scores of the nine actions.
pub trait ResponseModel {
    /// In a state of turn `turn` of episode number `episode`.
    fn responses(&self, episode: usize, turn: usize, state: State) -> [f64; ACTIONS];
}

/// The nearest-neighbour estimate, fitted to the logged turns of some episodes.
#[derive(Clone, Debug)]
pub struct Response {
    tree: Tree,
    span: usize,
    neighbours: usize,
    /// Standard errors taken off a mean.
    pessimism: f64,
    /// Score of the point at each place of the tree.
    scores: Vec<f64>,
    /// Squared distance from each record in each slot to every place.
    records: Vec<u8>,
    /// The same from each action.
    actions: Vec<u8>,
    /// Lower bounds of the squared distance from each record in each slot to every node.
    record_bounds: Vec<u8>,
    /// The same from each action.
    action_bounds: Vec<u8>,
    weights: Vec<f64>,
}

impl Response {
    /// Fits to every turn of the episodes in its logged state, with [`NEIGHBOURS`] neighbours.
    #[must_use]
    pub fn fit(episodes: &[Episode]) -> Self {
        Self::with_neighbours(episodes, NEIGHBOURS)
    }

    /// The same with another number of neighbours, at least one; fewer turns than that are all neighbours.
    #[must_use]
    pub fn with_neighbours(episodes: &[Episode], neighbours: usize) -> Self {
        Self::over(episodes, neighbours, HISTORY)
    }

    /// The same with states that look back on fewer turns than they could.
    #[must_use]
    pub fn over(episodes: &[Episode], neighbours: usize, span: usize) -> Self {
        let turns = |episode: &Episode| -> Vec<(State, usize, f64)> {
            let states = episode.logged_states();
            let one = |turn: usize| (states[turn], usize::from(episode.logged[turn]), episode.scores[turn]);
            (0..episode.turns()).map(one).collect()
        };
        Self::of_turns(episodes.iter().flat_map(turns), neighbours, span)
    }

    /// The same from turns one by one, in the order in which they were logged: state, action and score of each, at least one.
    #[must_use]
    pub fn of_turns(turns: impl IntoIterator<Item = (State, usize, f64)>, neighbours: usize, span: usize) -> Self {
        let mut logged: Vec<([i8; WIDTH], f64)> =
            turns.into_iter().map(|(state, action, score)| (input(state.last(span), action), score)).collect();
        // The released code sorts its points by their last number, then the one before it, and so on.
        logged.sort_by(|(a, _), (b, _)| a.iter().rev().cmp(b.iter().rev()));
        let points: Vec<[i8; WIDTH]> = logged.iter().map(|(point, _)| *point).collect();
        let tree = Tree::build(&points);
        let at: Vec<&[i8; WIDTH]> = tree.order.iter().map(|index| &points[*index]).collect();
        let bounds: Vec<([i8; WIDTH], [i8; WIDTH])> =
            (0..tree.nodes.len()).map(|node| tree.bounds(&points, node)).collect();
        let point_distance = |from: &[i8], first: usize| -> Vec<u8> {
            at.iter().map(|point| from.iter().zip(&point[first..]).map(|(a, b)| square(a - b)).sum()).collect()
        };
        let bound_distance = |from: &[i8], first: usize| -> Vec<u8> {
            let outside = |(d, x): (usize, &i8), (low, high): &([i8; WIDTH], [i8; WIDTH])| {
                square((low[first + d] - x).max(x - high[first + d]).max(0))
            };
            bounds.iter().map(|bound| from.iter().enumerate().map(|x| outside(x, bound)).sum()).collect()
        };
        let slots = || (0..HISTORY).flat_map(|slot| (0..RECORDS).map(move |record| (slot * FIELDS, record as u8)));
        let first = FIELDS * HISTORY;
        Self {
            span,
            neighbours: neighbours.clamp(1, points.len().max(1)),
            pessimism: 0.0,
            scores: tree.order.iter().map(|index| logged[*index].1).collect(),
            records: slots().flat_map(|(slot, record)| point_distance(&fields(record), slot)).collect(),
            actions: (0..ACTIONS).flat_map(|action| point_distance(&action_fields(action), first)).collect(),
            record_bounds: slots().flat_map(|(slot, record)| bound_distance(&fields(record), slot)).collect(),
            action_bounds: (0..ACTIONS).flat_map(|action| bound_distance(&action_fields(action), first)).collect(),
            weights: (0..DISTANCES).map(|squared| 1.0 / ((squared as f64).sqrt() + SOFTENING)).collect(),
            tree,
        }
    }

    /// The same as a lower bound: so many standard errors of the neighbours' weighted mean are taken off it, so that what few logged
    /// turns praise, or turns that disagree, does not lead a learner astray. Source: Jin, Yang and Wang 2021, pessimistic
    /// value iteration; the published estimate has none.
    #[must_use]
    pub fn pessimistic(mut self, errors: f64) -> Self {
        self.pessimism = errors;
        self
    }

    /// Estimated scores of the nine actions in a state.
    #[must_use]
    pub fn of(&self, state: State) -> [f64; ACTIONS] {
        self.with(&mut self.scratch(), state)
    }

    /// Room for queries one after the other.
    #[must_use]
    pub(super) fn scratch(&self) -> Scratch {
        let (places, nodes) = (self.scores.len(), self.tree.nodes.len());
        Scratch {
            base: vec![0; places],
            distances: vec![0; places],
            base_bounds: vec![0; nodes],
            bounds: vec![0; nodes],
            nearest: Nearest::new(self.neighbours),
        }
    }

    /// The same as [`Response::of`], in room that is used again.
    pub(super) fn with(&self, scratch: &mut Scratch, state: State) -> [f64; ACTIONS] {
        self.place(scratch, state);
        std::array::from_fn(|action| self.query(scratch, action))
    }

    /// Estimated score of one action in a state.
    #[must_use]
    pub fn of_action(&self, state: State, action: usize) -> f64 {
        let mut scratch = self.scratch();
        self.place(&mut scratch, state);
        self.query(&mut scratch, action)
    }

    fn place(&self, scratch: &mut Scratch, state: State) {
        let state = state.last(self.span);
        sum_rows(&mut scratch.base, &self.records, state);
        sum_rows(&mut scratch.base_bounds, &self.record_bounds, state);
    }

    /// The same in the state whose rows the scratch holds.
    fn query(&self, scratch: &mut Scratch, action: usize) -> f64 {
        add_row(&mut scratch.distances, &scratch.base, &self.actions, action);
        add_row(&mut scratch.bounds, &scratch.base_bounds, &self.action_bounds, action);
        scratch.nearest.clear();
        self.visit(0, &scratch.bounds, &scratch.distances, &mut scratch.nearest);
        self.mean(&scratch.nearest)
    }

    fn visit(&self, node: usize, bounds: &[u8], distances: &[u8], nearest: &mut Nearest) {
        if bounds[node] > nearest.worst() {
            return;
        }
        let here = self.tree.nodes[node];
        if here.leaf {
            // Most points are too far: a whole block of them is passed over by its smallest distance.
            for (block, distances) in distances[here.start..here.end].chunks(BLOCK).enumerate() {
                if distances.iter().copied().min().is_some_and(|least| least < nearest.worst()) {
                    let first = here.start + block * BLOCK;
                    distances.iter().enumerate().for_each(|(i, d)| nearest.push(*d, (first + i) as u32));
                }
            }
            return;
        }
        let (left, right) = (2 * node + 1, 2 * node + 2);
        let (near, far) = if bounds[left] <= bounds[right] { (left, right) } else { (right, left) };
        self.visit(near, bounds, distances, nearest);
        self.visit(far, bounds, distances, nearest);
    }

    fn mean(&self, nearest: &Nearest) -> f64 {
        let found = || {
            nearest
                .found()
                .iter()
                .map(|(squared, place)| (self.weights[usize::from(*squared)], self.scores[*place as usize]))
        };
        let (mut sum, mut total) = (0.0, 0.0);
        for (weight, score) in found() {
            sum += weight * score;
            total += weight;
        }
        let mean = sum / total;
        if self.pessimism == 0.0 {
            return mean;
        }
        let variance = found().map(|(weight, score)| weight * (score - mean).powi(2)).sum::<f64>() / total;
        mean - self.pessimism * (variance / self.neighbours as f64).sqrt()
    }
}

/// What queries one after the other use again.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    base: Vec<u8>,
    distances: Vec<u8>,
    base_bounds: Vec<u8>,
    bounds: Vec<u8>,
    nearest: Nearest,
}

/// Sums the state's rows of a table.
fn sum_rows(total: &mut [u8], table: &[u8], state: State) {
    let width = total.len();
    total.fill(0);
    for (slot, record) in state.records().into_iter().enumerate() {
        let row = &table[(slot * RECORDS + usize::from(record)) * width..][..width];
        total.iter_mut().zip(row).for_each(|(t, d)| *t += d);
    }
}

fn add_row(total: &mut [u8], base: &[u8], table: &[u8], action: usize) {
    let row = &table[action * base.len()..][..base.len()];
    total.iter_mut().zip(base.iter().zip(row)).for_each(|(t, (b, d))| *t = b + d);
}

impl ResponseModel for Response {
    fn responses(&self, _episode: usize, _turn: usize, state: State) -> [f64; ACTIONS] {
        self.of(state)
    }
}

fn square(x: i8) -> u8 {
    (x * x) as u8
}

fn action_fields(action: usize) -> [i8; ACTION_FIELDS] {
    let used = |view| i8::from(views_of(action).contains(view));
    [i8::from(action > 0), used(0), used(1), used(2)]
}

fn input(state: State, action: usize) -> [i8; WIDTH] {
    let mut numbers = [0; WIDTH];
    for (slot, record) in numbers.as_chunks_mut::<FIELDS>().0.iter_mut().zip(state.records()) {
        *slot = fields(record);
    }
    numbers[FIELDS * HISTORY..].copy_from_slice(&action_fields(action));
    numbers
}
