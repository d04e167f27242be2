//! Ten thousand turns under random faults, in ten pinned seeds; a million are a command (`trimtab-sim --turns 1000000`).

use trimtab_sim::{Report, Settings, run};

const SEEDS: [u64; 10] = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89];
const TURNS: u64 = 1_000;

#[test]
fn under_random_faults_no_budget_is_overshot_and_nothing_is_forgotten() {
    let reports: Vec<Report> =
        SEEDS.iter().map(|seed| run(Settings { seed: *seed, turns: TURNS }, |_| {}).unwrap()).collect();
    for report in &reports {
        assert!(report.holds(), "{report:#?}");
    }
    // Chaos that does not happen tests nothing.
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    for (what, count) in [
        ("crashes", sum(|r| r.crashes)),
        ("links lost", sum(|r| r.link_losses)),
        ("meters lost", sum(|r| r.meter_losses)),
        ("late answers", sum(|r| r.late)),
        ("second answers", sum(|r| r.duplicates)),
        ("refusals of bridges", sum(|r| r.bridge_refusals)),
        ("ledger faults", sum(|r| r.ledger_faults)),
        ("wishes of operators", sum(|r| r.operator_changes)),
        ("leaps of the wall clock", sum(|r| r.clock_leaps)),
        ("cuts by joules", sum(|r| r.energy_cuts)),
        ("cuts by time", sum(|r| r.time_cuts)),
        ("views not encoded", sum(|r| r.views_cut)),
        ("turns above their quote", sum(|r| r.above_quote)),
        ("fallbacks", sum(|r| r.fallbacks)),
        ("verdicts decided again", sum(|r| r.decided_again)),
        ("states compared", sum(|r| r.states)),
        ("lost turns", sum(|r| r.lost)),
    ] {
        assert!(count > 10, "{what}: only {count}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let settings = Settings { seed: 4, turns: 200 };
    assert_eq!(run(settings, |_| {}).unwrap(), run(settings, |_| {}).unwrap());
}
