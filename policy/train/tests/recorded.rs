//! The published learners on a table of our own, beside a policy that sees the prompt, in a world whose rules are known.

mod synthetic;

use trimtab_core::Preference;
use trimtab_train::choose::Chooser;
use trimtab_train::dataset::{Table, Turn};
use trimtab_train::learn::{Recipe, fit};
use trimtab_train::learner::Environment;
use trimtab_train::recorded::{Contender, Contest, Learnt, Limit, Recorded, Row, contest};

fn table(seeds: std::ops::Range<u64>, turns: usize) -> Table {
    let folder = tempfile::tempdir().unwrap();
    synthetic::write(folder.path(), seeds, turns);
    Table::read(&[folder.path().into()]).unwrap()
}

fn turns(table: &Table) -> Vec<&Turn> {
    table.turns().iter().collect()
}

#[test]
fn what_sees_the_prompt_beats_what_does_not_and_a_limit_is_kept() {
    let (train, test) = (table(1..17, 30), table(101..121, 4));
    let policy = fit(&train, &Recipe::default(), &mut |_| ());
    let contender = Contender { name: "ours".into(), chooser: Chooser::Policy(Box::new(policy)) };
    let mut done = 0;
    let preference = Preference::default();
    let found = contest(&turns(&train), &turns(&test), &[contender], &preference, 1, &mut || done += 1).unwrap();
    assert_eq!(done, Contest::jobs(1, 1));
    assert_eq!((found.train, found.test, found.conversations), (480, 80, 20));
    let row = |name: &str| -> &Row { found.rows.iter().find(|row| row.name == name).unwrap() };
    let best = row("oracle").reward;
    assert!(found.rows.iter().all(|row| row.reward <= best + 1e-9), "{:?}", found.rows);
    for name in Learnt::NAMES {
        assert!(row("ours").reward > row(name).reward, "ours {} and {name} {}", row("ours").reward, row(name).reward);
    }
    for method in ["a2c", "ppo", "dqn"] {
        assert!(row(method).reward > row("random").reward, "{method}: {:?}", row(method));
        let constrained = row(&format!("rc-{method}"));
        // Half of what the best cloud takes, for what was learnt on other turns.
        assert!(constrained.of_cloud[1] < 0.55 && constrained.of_cloud[2] < 0.55, "rc-{method}: {constrained:?}");
    }
    assert!(found.is_monotone(), "{:?}", found.front);
    assert!(found.front[0].money_nusd > 2.0 * found.front.last().unwrap().money_nusd, "{:?}", found.front);
}

/// An episode is played by the recorded outcomes: its rewards are those of the table, and nothing is paid once the limit is overdrawn.
#[test]
fn an_overdrawn_conversation_earns_nothing() {
    let table = table(1..3, 8);
    let preference = Preference::default();
    let ample = Limit { seconds: 1e6, usd: 1e3 };
    let scant = Limit { seconds: 1e-6, usd: 1e-9 };
    let earned = |limit: Option<Limit>| {
        let mut environment = Recorded::new(&turns(&table), &preference, limit);
        let mut rng = trimtab_scenes::Rng::for_purpose(5, "episodes");
        let (mut sum, mut steps) = (0.0, Vec::new());
        for _ in 0..40 {
            environment.reset(&mut rng);
            let mut length = 0;
            loop {
                assert!(environment.observation().iter().all(|x| x.is_finite()));
                let step = environment.step(environment.actions() - 1);
                sum += step.reward;
                length += 1;
                if step.done {
                    break;
                }
            }
            steps.push(length);
        }
        assert!(steps.iter().all(|length| (2..=5).contains(length)), "{steps:?}");
        sum
    };
    let free = earned(None);
    assert!(free > 0.0);
    assert_eq!(earned(Some(ample)), free);
    assert_eq!(earned(Some(scant)), 0.0);
}
