//! Merging: the two neighbours that were learnt to go together earliest become one, until none are left that do.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::TokenId;

/// (left, right) → (rank, merged): a lower rank was learnt earlier and is merged first.
pub(super) type Merges = HashMap<(TokenId, TokenId), (u32, TokenId)>;

/// Merges words, one after the other, with the same memory.
#[derive(Default)]
pub(super) struct Merger {
    symbols: Vec<Symbol>,
    /// Pairs that may be merged, earliest and leftmost first. One that no longer stands is passed over.
    pairs: BinaryHeap<Reverse<(u32, u32, TokenId)>>,
}

/// A part of a word; neighbours by their place, [`NONE`] at the ends.
#[derive(Clone, Copy)]
struct Symbol {
    id: TokenId,
    before: u32,
    after: u32,
    is_gone: bool,
}

const NONE: u32 = u32::MAX;

impl Merger {
    /// Appends the tokens of a word, given as its bytes' tokens, to `ids`. A word has fewer than 2³² bytes.
    pub(super) fn merge(&mut self, merges: &Merges, word: impl Iterator<Item = TokenId>, ids: &mut Vec<TokenId>) {
        self.symbols.clear();
        self.pairs.clear();
        for (at, id) in word.enumerate() {
            let at = at as u32;
            if let Some(last) = self.symbols.last_mut() {
                last.after = at;
            }
            self.symbols.push(Symbol { id, before: at.checked_sub(1).unwrap_or(NONE), after: NONE, is_gone: false });
        }
        for left in 0..self.symbols.len() as u32 {
            self.offer(merges, left);
        }
        while let Some(Reverse((_, left, merged))) = self.pairs.pop() {
            let Some((_, found)) = self.pair(merges, left) else { continue };
            // The pair at this place may have become another since it was noted.
            if found != merged {
                continue;
            }
            let right = self.symbols[left as usize].after;
            let gone = &mut self.symbols[right as usize];
            gone.is_gone = true;
            let after = gone.after;
            self.symbols[left as usize].id = merged;
            self.symbols[left as usize].after = after;
            if after != NONE {
                self.symbols[after as usize].before = left;
            }
            let before = self.symbols[left as usize].before;
            if before != NONE {
                self.offer(merges, before);
            }
            self.offer(merges, left);
        }
        ids.extend(self.symbols.iter().filter(|symbol| !symbol.is_gone).map(|symbol| symbol.id));
    }

    fn offer(&mut self, merges: &Merges, left: u32) {
        if let Some((rank, merged)) = self.pair(merges, left) {
            self.pairs.push(Reverse((rank, left, merged)));
        }
    }

    /// What the symbol at a place and its right neighbour become, if they do.
    fn pair(&self, merges: &Merges, left: u32) -> Option<(u32, TokenId)> {
        let symbol = self.symbols.get(left as usize).filter(|symbol| !symbol.is_gone && symbol.after != NONE)?;
        merges.get(&(symbol.id, self.symbols[symbol.after as usize].id)).copied()
    }
}
