//! Whatever happens, in whatever order: no window is overspent, and nothing leaks.

use proptest::prelude::*;
use std::collections::BTreeMap;
use trimtab_core::budget::{HoldId, OpenHold};
use trimtab_core::limits::ORPHANS_MAX;
use trimtab_core::{
    Account, Budget, Budgets, Bytes, ConversationId, Cost, Hold, Joules, Millis, Resource, Usd, Window,
};

#[derive(Clone, Debug)]
enum Op {
    Reserve { turn: u64, cost: Cost },
    Raise { pick: usize, extra: Cost, spare: Cost },
    Settle { pick: usize, share: u8 },
    Leave { pick: usize, share: u8 },
    SettleLate { pick: usize, share: u8 },
    Pass { millis: u64 },
    Crash,
}

fn cost() -> impl Strategy<Value = Cost> {
    (0_u64..60, 0_u64..60, 0_u64..60, 0_u64..60).prop_map(|(energy, money, bytes, latency)| Cost {
        energy: Joules::from_micro(energy),
        money: Usd::from_nano(money),
        bytes: Bytes::new(bytes),
        latency: Millis::new(latency),
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0_u64..TURNS, cost()).prop_map(|(turn, cost)| Op::Reserve { turn, cost }),
        1 => (any::<usize>(), cost(), cost()).prop_map(|(pick, extra, spare)| Op::Raise { pick, extra, spare }),
        3 => (any::<usize>(), 0_u8..=100).prop_map(|(pick, share)| Op::Settle { pick, share }),
        1 => (any::<usize>(), 0_u8..=100).prop_map(|(pick, share)| Op::Leave { pick, share }),
        1 => (any::<usize>(), 0_u8..=100).prop_map(|(pick, share)| Op::SettleLate { pick, share }),
        1 => prop_oneof![0_u64..600_000, 3_000_000_u64..100_000_000].prop_map(|millis| Op::Pass { millis }),
        1 => Just(Op::Crash),
    ]
}

fn share_of(cost: Cost, share: u8) -> Cost {
    let part = |n: u64| n * u64::from(share) / 100;
    Cost {
        energy: Joules::from_micro(part(cost.energy.micro())),
        money: Usd::from_nano(part(cost.money.nano())),
        bytes: Bytes::new(part(cost.bytes.get())),
        latency: Millis::new(part(cost.latency.get())),
    }
}

fn of(resource: Resource, cost: &Cost) -> u64 {
    match resource {
        Resource::Energy => cost.energy.micro(),
        Resource::Money => cost.money.nano(),
        Resource::Bytes => cost.bytes.get(),
        Resource::Latency => cost.latency.get(),
    }
}

/// The test's own account of what was really spent, kept apart from the code under test: by the window in which a cost
/// was reserved (orphans) or settled (live holds). Windows: 0 conversation, 1 hour, 2 day, 3 turn.
#[derive(Default)]
struct Truth {
    spent: BTreeMap<(u8, u64), Cost>,
}

impl Truth {
    fn add(&mut self, window: u8, index: u64, cost: Cost) {
        let entry = self.spent.entry((window, index)).or_insert(Cost::ZERO);
        *entry = entry.plus(cost);
    }
    fn of(&self, window: u8, index: u64) -> Cost {
        self.spent.get(&(window, index)).copied().unwrap_or(Cost::ZERO)
    }
}

/// Turns that go on side by side, and conversations that they belong to in rotation.
const TURNS: u64 = 6;
const CONVERSATIONS: u64 = 3;

const fn conversation_of(turn: u64) -> u64 {
    turn % CONVERSATIONS
}

/// A hold that was left open, and by whom.
struct Left {
    id: HoldId,
    opened: u64,
    cost: Cost,
    turn: u64,
}

/// What a turn has used so far, one of its holds left out.
fn account(turn: u64, truth: &Truth, live: &[(Hold, u64)], left: &[Left], without: Option<usize>) -> Account {
    let live = live.iter().enumerate().filter(|(index, (_, of))| *of == turn && Some(*index) != without);
    let held = live.map(|(_, (hold, _))| hold.cost()).chain(left.iter().filter(|l| l.turn == turn).map(|l| l.cost));
    let conversation = ConversationId(conversation_of(turn));
    Account { conversation, turn: held.fold(truth.of(3, turn), Cost::plus) }
}

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn limits() -> Vec<Budget> {
    vec![
        Budget::energy(Window::Turn, Joules::from_micro(50)),
        Budget::energy(Window::Hour, Joules::from_micro(120)),
        Budget::energy(Window::Day, Joules::from_micro(400)),
        Budget::money(Window::Conversation, Usd::from_nano(150)),
        Budget::money(Window::Day, Usd::from_nano(300)),
        Budget::bytes(Window::Hour, Bytes::new(100)),
        Budget::latency(Window::Day, Millis::new(500)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_window_is_ever_overspent(ops in prop::collection::vec(op(), 1..80)) {
        let limits = limits();
        let mut budgets = Budgets::default();
        budgets.set_limits(&limits).unwrap();
        let mut now = 0;
        let mut live: Vec<(Hold, u64)> = Vec::new();
        let mut left_open: Vec<Left> = Vec::new();
        let mut truth = Truth::default();
        let mut next_hold = 0;
        for op in ops {
            match op {
                Op::Reserve { turn, cost } => {
                    let account = account(turn, &truth, &live, &left_open, None);
                    if let Ok(hold) = budgets.reserve(Millis::new(now), &account, cost) {
                        next_hold = hold.id().0 + 1;
                        live.push((hold, turn));
                    }
                }
                Op::Raise { pick, extra, spare } if !live.is_empty() => {
                    let index = pick % live.len();
                    let account = account(live[index].1, &truth, &live, &left_open, Some(index));
                    let before = live[index].0.cost();
                    let raised = budgets.raise(Millis::new(now), &account, &mut live[index].0, extra, spare);
                    let expected = if raised.is_ok() { before.plus(extra) } else { before };
                    prop_assert_eq!(live[index].0.cost(), expected);
                }
                Op::Settle { pick, share } if !live.is_empty() => {
                    let (hold, turn) = live.swap_remove(pick % live.len());
                    let actual = share_of(hold.cost(), share);
                    let settled = budgets.settle(Millis::new(now), hold, actual);
                    prop_assert_eq!(settled.debited, actual);
                    prop_assert_eq!(settled.overrun, Cost::ZERO);
                    truth.add(0, conversation_of(turn), actual);
                    truth.add(1, now / HOUR, actual);
                    truth.add(2, now / DAY, actual);
                    truth.add(3, turn, actual);
                }
                Op::Leave { pick, share } if !live.is_empty() => {
                    let (hold, turn) = live.swap_remove(pick % live.len());
                    let most = share_of(hold.cost(), share);
                    left_open.push(Left { id: hold.id(), opened: now, cost: most, turn });
                    budgets.leave_open(Millis::new(now), hold, most);
                }
                Op::SettleLate { pick, share } if !left_open.is_empty() => {
                    let Left { id, opened, cost, turn } = left_open.swap_remove(pick % left_open.len());
                    let actual = share_of(cost, share);
                    if budgets.settle_late(Millis::new(now), id, actual).is_some() {
                        truth.add(0, conversation_of(turn), actual);
                        truth.add(1, opened / HOUR, actual);
                        truth.add(2, opened / DAY, actual);
                        truth.add(3, turn, actual);
                    }
                }
                Op::Pass { millis } => {
                    now += millis;
                    budgets.advance(Millis::new(now));
                }
                Op::Crash => {
                    // The ledger knows what was settled and which holds were open; nothing else survives.
                    let open: Vec<OpenHold> = budgets.open().to_vec();
                    let spent = *budgets.spent();
                    let mut reborn = Budgets::new(spent, HoldId(next_hold));
                    reborn.set_limits(&limits).unwrap();
                    for conversation in 0..CONVERSATIONS {
                        let known = truth.of(0, conversation);
                        reborn.open_conversation(ConversationId(conversation), known).unwrap();
                    }
                    for hold in open {
                        reborn.adopt(hold).unwrap();
                    }
                    for (hold, turn) in live.drain(..) {
                        let opened = reborn.open().iter().find(|open| open.id == hold.id()).unwrap().opened.get();
                        left_open.push(Left { id: hold.id(), opened, cost: hold.cost(), turn });
                    }
                    budgets = reborn;
                }
                _ => {}
            }
            for budget in &limits {
                let resource = budget.resource();
                for ((window, index), cost) in &truth.spent {
                    let matches = match budget.window() {
                        Window::Turn => *window == 3,
                        Window::Conversation => *window == 0,
                        Window::Hour => *window == 1,
                        Window::Day => *window == 2,
                    };
                    if matches {
                        prop_assert!(of(resource, cost) <= budget.limit(), "{budget:?} overspent in window {index}: {cost:?}");
                    }
                }
                for conversation in 0..CONVERSATIONS {
                    prop_assert!(budgets.left(budget, &Account::new(ConversationId(conversation))) <= budget.limit());
                }
            }
        }
        // Nothing leaks: when every hold is settled or its day is over, only what was settled is gone.
        for (hold, _) in live {
            budgets.settle(Millis::new(now), hold, Cost::ZERO);
        }
        budgets.advance(Millis::new(now + 2 * DAY));
        prop_assert!(budgets.open().is_empty());
        for budget in limits.iter().filter(|budget| budget.window() != Window::Conversation) {
            prop_assert_eq!(budgets.left(budget, &Account::new(ConversationId(0))), budget.limit());
        }
    }
}

#[test]
fn an_excess_is_debited_in_full_and_reported() {
    let mut budgets = Budgets::default();
    budgets.set_limits(&[Budget::energy(Window::Hour, Joules::from_micro(100))]).unwrap();
    let conversation = ConversationId::of("c");
    let reserved = Cost { energy: Joules::from_micro(60), ..Cost::ZERO };
    let account = Account::new(conversation);
    let hold = budgets.reserve(Millis::ZERO, &account, reserved).unwrap();
    let settled = budgets.settle(Millis::ZERO, hold, Cost { energy: Joules::from_micro(90), ..Cost::ZERO });
    assert_eq!(settled.overrun.energy, Joules::from_micro(30));
    assert!(budgets.check(&account, &Cost { energy: Joules::from_micro(11), ..Cost::ZERO }).is_err());
    assert!(budgets.check(&account, &Cost { energy: Joules::from_micro(10), ..Cost::ZERO }).is_ok());
}

/// A hold that is raised after its hour has ended counts in the hour that had room for the rest of it, also when the runtime
/// dies: the hour in which it was first opened may be full.
#[test]
fn a_raised_hold_belongs_to_the_hour_of_the_raise() {
    let bytes = |n: u64| Cost { bytes: Bytes::new(n), ..Cost::ZERO };
    let limit = Budget::bytes(Window::Hour, Bytes::new(100));
    let account = Account::new(ConversationId::of("c"));
    let mut budgets = Budgets::default();
    budgets.set_limits(&[limit]).unwrap();
    let hold = budgets.reserve(Millis::ZERO, &account, bytes(53)).unwrap();
    budgets.settle(Millis::ZERO, hold, bytes(53));
    let mut hold = budgets.reserve(Millis::ZERO, &account, bytes(23)).unwrap();
    budgets.raise(Millis::new(HOUR), &account, &mut hold, bytes(44), Cost::ZERO).unwrap();
    let mut reborn = Budgets::new(*budgets.spent(), HoldId(2));
    reborn.set_limits(&[limit]).unwrap();
    reborn.adopt(budgets.open()[0]).unwrap();
    assert_eq!(reborn.left(&limit, &account), 33, "it is reserved in the second hour");
    reborn.settle_late(Millis::new(HOUR), hold.id(), bytes(48)).unwrap();
    assert_eq!(reborn.left(&limit, &account), 52, "and debited there");
}

/// What was spent under a hold after its hour had ended counts in the hour in which it was spent, also when nobody knows yet
/// what the rest will cost.
#[test]
fn a_hold_that_is_left_open_counts_in_the_hour_in_which_it_is_left() {
    let bytes = |n: u64| Cost { bytes: Bytes::new(n), ..Cost::ZERO };
    let limit = Budget::bytes(Window::Hour, Bytes::new(100));
    let account = Account::new(ConversationId::of("c"));
    let mut budgets = Budgets::default();
    budgets.set_limits(&[limit]).unwrap();
    let hold = budgets.reserve(Millis::new(HOUR - 1), &account, bytes(60)).unwrap();
    budgets.leave_open(Millis::new(HOUR + 5_000), hold, bytes(60));
    assert_eq!(budgets.left(&limit, &account), 40);
}

/// However many answers never come, there is room for the holds of turns to come, and nothing is forgotten.
#[test]
fn of_too_many_holds_that_are_left_open_the_oldest_counts_as_spent() {
    let bytes = |n: u64| Cost { bytes: Bytes::new(n), ..Cost::ZERO };
    let limit = Budget::bytes(Window::Day, Bytes::new(100_000));
    let account = Account::new(ConversationId::of("c"));
    let mut budgets = Budgets::default();
    budgets.set_limits(&[limit]).unwrap();
    let first = budgets.reserve(Millis::ZERO, &account, bytes(7)).unwrap();
    let oldest = budgets.leave_open(Millis::ZERO, first, bytes(7));
    for turn in 1..100 {
        let hold = budgets.reserve(Millis::new(turn), &account, bytes(7)).unwrap();
        budgets.leave_open(Millis::new(turn), hold, bytes(7));
        assert_eq!(budgets.left(&limit, &account), 100_000 - 7 * (turn + 1));
    }
    assert_eq!(budgets.open().len(), ORPHANS_MAX);
    assert!(budgets.settle_late(Millis::new(200), oldest, Cost::ZERO).is_none(), "its answer changes nothing any more");
}
