//! A recorded trace of power, read through a sensor's files at the times of a sampling thread, against its known integral.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use trimtab_core::{Joules, Watts};
use trimtab_device::meter::{BoardSensor, EnergyBook, PowerAccount, PowerSensor};

use crate::board::Board;

/// Pinned, so that a failure can be seen again.
const SEEDS: [u64; 5] = [3, 14, 159, 2_653, 58_979];
/// Length of a trace.
const TRACE: Duration = Duration::from_secs(120);
const PERIOD: Duration = Duration::from_millis(50);
const BUS_MILLIVOLTS: i64 = 5_100;

/// What the board does, for how long at least and at most in milliseconds, and its power in milliwatts: a small board that
/// waits, encodes views, generates, and sends.
const ACTIVITIES: [(&str, u64, u64, u64); 4] = [
    ("idle", 300, 4_000, 2_700),
    ("encode", 40, 350, 5_200),
    ("generate", 400, 4_000, 6_800),
    ("radio", 200, 2_500, 3_600),
];

struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Power at every millisecond in microwatts, and what was done when.
struct Trace {
    power: Vec<u64>,
    activities: Vec<(usize, Duration, Duration)>,
}

impl Trace {
    fn record(chance: &mut Chance) -> Self {
        let (mut power, mut activities) = (Vec::new(), Vec::new());
        let length = TRACE.as_millis() as usize;
        let mut which = 0;
        while power.len() < length {
            let (_, shortest, longest, milliwatts) = ACTIVITIES[which];
            let begins = power.len() as u64;
            let ends = (begins + shortest + chance.below(longest - shortest)).min(length as u64);
            // It wanders about its mean by some percent, and ripples from reading to reading.
            let drift = 970 + chance.below(60);
            power.extend((begins..ends).map(|_| milliwatts * (drift + chance.below(40))));
            activities.push((which, Duration::from_millis(begins), Duration::from_millis(ends)));
            which = if which == 0 { 1 + chance.below(3) as usize } else { chance.below(4) as usize };
        }
        Self { power, activities }
    }

    /// The exact integral over its milliseconds, in microjoules.
    fn integral(&self) -> f64 {
        self.power.iter().map(|power| *power as f64 * 1e-3).sum()
    }

    fn at(&self, at: Duration) -> u64 {
        self.power[(at.as_millis() as usize).min(self.power.len() - 1)]
    }
}

#[test]
fn spans_and_idle_time_sum_to_the_whole_within_one_percent() {
    for seed in SEEDS {
        let mut chance = Chance(seed);
        let trace = Trace::record(&mut chance);
        let board = Board::new();
        board.ina3221("hwmon0", BUS_MILLIVOLTS, 500);
        let file = board.root().join("class/hwmon/hwmon0/curr1_input");
        let amperes = File::options().write(true).open(file).unwrap();
        let mut sensor = BoardSensor::hwmon(&board.root().join("class/hwmon"), None).unwrap();
        let mut account = PowerAccount::new(Watts::from_milli(25_000), PERIOD, Duration::from_secs(1));
        let mut book = EnergyBook::default();
        let mut read = |at: Duration, account: &mut PowerAccount| {
            let milliamperes = trace.at(at) as f64 / BUS_MILLIVOLTS as f64;
            amperes.write_all_at(format!("{:<6.0}\n", milliamperes.round()).as_bytes(), 0).unwrap();
            account.sample(at, Some(sensor.power().unwrap()));
        };
        read(Duration::ZERO, &mut account);
        let mut next = PERIOD;
        let mut spans = [Joules::ZERO; ACTIVITIES.len()];
        let mut above = Joules::ZERO;
        let mut until = |end: Duration, account: &mut PowerAccount, book: &mut EnergyBook, chance: &mut Chance| {
            while next <= end {
                read(next, account);
                book.look(next, account.energy(next));
                // A thread wakes late, by a little.
                next += PERIOD + Duration::from_micros(chance.below(3_000));
            }
        };
        for (which, begins, ends) in &trace.activities {
            if *which == 0 {
                until(*ends, &mut account, &mut book, &mut chance);
                continue;
            }
            let span = book.open(*begins, account.energy(*begins));
            until(*ends, &mut account, &mut book, &mut chance);
            let took = book.close(*ends, account.energy(*ends), span);
            spans[*which] = spans[*which].plus(took.total);
            above = above.plus(took.above_idle);
        }
        let end = TRACE;
        book.look(end, account.energy(end));
        let sum: Joules = spans.into_iter().sum::<Joules>().plus(book.idle());
        let (sum, whole) = (sum.micro() as f64, trace.integral());
        let off = (sum - whole) / whole;
        println!("seed {seed}: {:.3} J of {:.3} J, off by {:.3} %", sum / 1e6, whole / 1e6, off * 100.0);
        assert!(off.abs() < 0.01, "seed {seed}: {sum} µJ of {whole} µJ");
        assert_eq!(account.assumed(end), Joules::ZERO, "seed {seed}");
        // Every kind of work by itself: its edges weigh more.
        for (which, span) in spans.iter().enumerate().skip(1) {
            let known: u64 = trace
                .activities
                .iter()
                .filter(|(kind, ..)| *kind == which)
                .map(|(_, begins, ends)| {
                    let range = begins.as_millis() as usize..ends.as_millis() as usize;
                    trace.power[range].iter().sum::<u64>() / 1_000
                })
                .sum();
            let off = (span.micro() as f64 - known as f64) / known as f64;
            println!("  {}: {:.3} J of {:.3} J", ACTIVITIES[which].0, span.as_f64(), known as f64 / 1e6);
            assert!(off.abs() < 0.03, "seed {seed}: {} {span} of {known} µJ", ACTIVITIES[which].0);
        }
        let worked: Joules = spans.into_iter().sum();
        assert!(above < worked && above > Joules::ZERO, "seed {seed}: {above} of {worked}");
    }
}
