//! Whatever happens, in whatever order: no window is overspent, and nothing leaks.

use proptest::prelude::*;
use std::collections::BTreeMap;
use trimtab_core::budget::{HoldId, OpenHold};
use trimtab_core::{Budget, Budgets, Bytes, ConversationId, Cost, Hold, Joules, Millis, Resource, Usd, Window};

#[derive(Clone, Debug)]
enum Op {
    Reserve { conversation: u64, cost: Cost },
    Settle { pick: usize, share: u8 },
    Leave { pick: usize },
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
        4 => (0_u64..3, cost()).prop_map(|(conversation, cost)| Op::Reserve { conversation, cost }),
        3 => (any::<usize>(), 0_u8..=100).prop_map(|(pick, share)| Op::Settle { pick, share }),
        1 => any::<usize>().prop_map(|pick| Op::Leave { pick }),
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
/// was reserved (orphans) or settled (live holds). Windows: 0 conversation, 1 hour, 2 day.
#[derive(Default)]
struct Truth {
    spent: BTreeMap<(u8, u64), Cost>,
}

impl Truth {
    fn add(&mut self, window: u8, index: u64, cost: Cost) {
        let entry = self.spent.entry((window, index)).or_insert(Cost::ZERO);
        *entry = entry.plus(cost);
    }
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
        let mut left_open: Vec<(HoldId, u64, Cost, u64)> = Vec::new();
        let mut truth = Truth::default();
        let mut next_hold = 0;
        for op in ops {
            match op {
                Op::Reserve { conversation, cost } => {
                    if let Ok(hold) = budgets.reserve(Millis::new(now), ConversationId(conversation), cost) {
                        next_hold = hold.id().0 + 1;
                        live.push((hold, conversation));
                    }
                }
                Op::Settle { pick, share } if !live.is_empty() => {
                    let (hold, conversation) = live.swap_remove(pick % live.len());
                    let actual = share_of(hold.cost(), share);
                    let settled = budgets.settle(Millis::new(now), hold, actual);
                    prop_assert_eq!(settled.debited, actual);
                    prop_assert_eq!(settled.overrun, Cost::ZERO);
                    truth.add(0, conversation, actual);
                    truth.add(1, now / HOUR, actual);
                    truth.add(2, now / DAY, actual);
                }
                Op::Leave { pick } if !live.is_empty() => {
                    let (hold, conversation) = live.swap_remove(pick % live.len());
                    let opened = budgets.open().iter().find(|open| open.id == hold.id()).unwrap().opened.get();
                    left_open.push((hold.id(), opened, hold.cost(), conversation));
                    budgets.leave_open(hold);
                }
                Op::SettleLate { pick, share } if !left_open.is_empty() => {
                    let (id, opened, cost, conversation) = left_open.swap_remove(pick % left_open.len());
                    let actual = share_of(cost, share);
                    if budgets.settle_late(Millis::new(now), id, actual).is_some() {
                        truth.add(0, conversation, actual);
                        truth.add(1, opened / HOUR, actual);
                        truth.add(2, opened / DAY, actual);
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
                    for conversation in 0..3 {
                        let known = truth.spent.get(&(0, conversation)).copied().unwrap_or(Cost::ZERO);
                        reborn.open_conversation(ConversationId(conversation), known).unwrap();
                    }
                    for hold in open {
                        reborn.adopt(hold).unwrap();
                    }
                    for (hold, conversation) in live.drain(..) {
                        let opened = reborn.open().iter().find(|open| open.id == hold.id()).unwrap().opened.get();
                        left_open.push((hold.id(), opened, hold.cost(), conversation));
                    }
                    budgets = reborn;
                }
                _ => {}
            }
            for budget in &limits {
                let resource = budget.resource();
                for ((window, index), cost) in &truth.spent {
                    let matches = match budget.window() {
                        Window::Turn => false,
                        Window::Conversation => *window == 0,
                        Window::Hour => *window == 1,
                        Window::Day => *window == 2,
                    };
                    if matches {
                        prop_assert!(of(resource, cost) <= budget.limit(), "{budget:?} overspent in window {index}: {cost:?}");
                    }
                }
                for conversation in 0..3 {
                    prop_assert!(budgets.left(budget, ConversationId(conversation)) <= budget.limit());
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
            prop_assert_eq!(budgets.left(budget, ConversationId(0)), budget.limit());
        }
    }
}

#[test]
fn an_excess_is_debited_in_full_and_reported() {
    let mut budgets = Budgets::default();
    budgets.set_limits(&[Budget::energy(Window::Hour, Joules::from_micro(100))]).unwrap();
    let conversation = ConversationId::of("c");
    let reserved = Cost { energy: Joules::from_micro(60), ..Cost::ZERO };
    let hold = budgets.reserve(Millis::ZERO, conversation, reserved).unwrap();
    let settled = budgets.settle(Millis::ZERO, hold, Cost { energy: Joules::from_micro(90), ..Cost::ZERO });
    assert_eq!(settled.overrun.energy, Joules::from_micro(30));
    assert!(budgets.check(conversation, &Cost { energy: Joules::from_micro(11), ..Cost::ZERO }).is_err());
    assert!(budgets.check(conversation, &Cost { energy: Joules::from_micro(10), ..Cost::ZERO }).is_ok());
}
