//! Bounds that everything else is dimensioned by, and their relations.

/// Most camera views that one turn can choose from.
pub const VIEWS_MAX: usize = 6;
/// Most nodes that one turn can choose from; node 0 is the local engine.
pub const NODES_MAX: usize = 8;
/// Subsets of [`VIEWS_MAX`] views.
pub const VIEW_SETS_MAX: usize = 1 << VIEWS_MAX;
/// Most candidates of one turn: local without views, every other node with every subset of views.
pub const CANDIDATES_MAX: usize = 1 + (NODES_MAX - 1) * VIEW_SETS_MAX;
/// Most budgets that can be in force at once.
pub const BUDGETS_MAX: usize = 16;
/// Most holds that can be open at once: one per turn in flight, plus the standing decision hold.
pub const HOLDS_MAX: usize = 32;
/// Most holds that are left open for answers that may still come; of more, the oldest counts as spent in full.
pub const ORPHANS_MAX: usize = HOLDS_MAX / 2;
/// Most conversations whose windows are kept in memory; older ones are reloaded from the ledger.
pub const CONVERSATIONS_MAX: usize = 64;
/// Longest name of a node, a view or a model, in bytes.
pub const NAME_BYTES_MAX: usize = 32;
/// Numbers that a prompt's embedding is projected to before the policy sees it.
pub const PROMPT_FEATURES: usize = 24;

const _: () = assert!(ORPHANS_MAX < HOLDS_MAX, "turns need holds of their own");
const _: () = assert!(VIEWS_MAX <= 8, "a ViewSet is one byte");
const _: () = assert!(CANDIDATES_MAX <= u16::MAX as usize, "an action number is two bytes");
