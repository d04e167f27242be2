use super::*;
use proptest::prelude::*;
use trimtab_wire::mcu::{Event, FromMcu, HostStage, Micros, ResetCause};

/// Lines that the board of these tests keeps.
const RING: usize = 8;
const STEP: Duration = Duration::from_millis(100);

fn name(text: &str) -> Name {
    Name::try_from(text).unwrap()
}

fn line(number: u32, boot: u32, at: u64) -> LogEntry {
    let stamp = Stamp { boot: BootNumber(boot), at: Micros::new(at) };
    LogEntry { number, stamp, event: Event::Host(HostStage::Alive) }
}

/// A board with its log, the wire that loses frames, the mirror at its other end, and whoever tells.
struct World {
    ring: VecDeque<LogEntry>,
    next: u32,
    boot: u32,
    /// Counts lives of the log.
    life: u32,
    agreed: bool,
    reading: Option<u32>,
    wire: VecDeque<FromMcu>,
    lost_frames: bool,
    frames: u32,
    now: Duration,
    mirror: Mirror,
    /// What the ledger keeps.
    book: Book,
    told: Vec<News>,
    /// The life that each line belongs to.
    lives: Vec<(LogEntry, u32)>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            ring: VecDeque::new(),
            next: 0,
            boot: 0,
            life: 0,
            agreed: false,
            reading: None,
            wire: VecDeque::new(),
            lost_frames: false,
            frames: 0,
            now: Duration::ZERO,
            mirror: Mirror::new(),
            book: Book::default(),
            told: Vec::new(),
            lives: Vec::new(),
        };
        world.start(false);
        world.runtime();
        world
    }

    /// The board starts; without power its log is gone.
    fn start(&mut self, powerless: bool) {
        if powerless {
            self.ring.clear();
            (self.next, self.life) = (0, self.life + 1);
        }
        self.boot += 1;
        (self.agreed, self.reading) = (false, None);
        self.wire.clear();
        self.note(Event::Started(ResetCause::Power));
    }

    fn note(&mut self, event: Event) {
        let at = Micros::new(self.lives.len() as u64);
        let entry = LogEntry { number: self.next, stamp: Stamp { boot: BootNumber(self.boot), at }, event };
        self.next += 1;
        self.ring.push_back(entry);
        if self.ring.len() > RING {
            self.ring.pop_front();
        }
        self.lives.push((entry, self.life));
        if self.agreed {
            self.wire.push_back(FromMcu::Event(entry));
        }
    }

    /// The runtime starts, with what the ledger keeps.
    fn runtime(&mut self) {
        self.mirror = Mirror::new();
        self.mirror.follow(self.now, self.book.clone());
        (self.agreed, self.lost_frames) = (false, false);
        self.wire.clear();
    }

    fn greet(&mut self) {
        (self.agreed, self.reading, self.lost_frames) = (true, None, false);
        self.mirror.greeted(self.now, &name("bench"), BootNumber(self.boot));
    }

    /// The runtime asks if it wants to; the board answers as far as the wire takes it.
    fn talk(&mut self, ask_arrives: bool) {
        self.now += STEP;
        if !self.agreed {
            return;
        }
        if let Some(from) = self.mirror.wants(self.now) {
            self.frames += 1;
            self.mirror.asked(self.now, Some(self.frames));
            if ask_arrives {
                match self.reading {
                    Some(_) => self.mirror.answered(self.now, self.frames, false),
                    None => {
                        self.reading = Some(from);
                        self.wire.push_back(FromMcu::Ack { of: self.frames });
                    }
                }
            }
        }
        while let Some(from) = self.reading.filter(|_| self.wire.len() < 6) {
            match self.ring.iter().find(|entry| entry.number >= from) {
                Some(entry) => {
                    self.wire.push_back(FromMcu::Log(*entry));
                    self.reading = Some(entry.number + 1);
                }
                None => {
                    self.wire.push_back(FromMcu::LogEnd(LogEnd { next: self.next, damaged: 0 }));
                    self.reading = None;
                }
            }
        }
    }

    fn deliver(&mut self, arrives: bool) {
        let Some(message) = self.wire.pop_front() else { return };
        if !arrives {
            self.lost_frames = true;
            return;
        }
        let now = self.now;
        if std::mem::take(&mut self.lost_frames) {
            self.mirror.torn(now);
        }
        match message {
            FromMcu::Event(entry) => self.mirror.event(now, entry),
            FromMcu::Log(entry) => self.mirror.line(now, entry),
            FromMcu::LogEnd(end) => self.mirror.end(now, end),
            FromMcu::Ack { of } => self.mirror.answered(now, of, true),
            other => panic!("{other:?}"),
        }
    }

    fn tell(&mut self) {
        if let Some(news) = self.mirror.next().cloned() {
            self.told.push(news);
            self.book = self.mirror.told().unwrap().clone();
        }
    }

    /// Everybody is there and nothing is lost any more.
    fn settle(&mut self) {
        self.greet();
        for _ in 0..2_000 {
            self.talk(true);
            while !self.wire.is_empty() {
                self.deliver(true);
            }
            self.tell();
        }
        assert!(self.mirror.is_level() && self.mirror.waiting() == 0, "{:?}", self.mirror);
    }

    /// Each line once, in order; what is missing is counted.
    fn check(&self) {
        let mut before: Option<(u32, LogEntry)> = None;
        for News { entry, lost_before, anew, .. } in &self.told {
            let (_, life) = *self.lives.iter().find(|(line, _)| line == entry).expect("it was noted");
            let gap = match before {
                Some((of, last)) if of == life || !anew => {
                    assert!(!anew && life >= of && entry.number > last.number, "{entry:?} after {last:?}");
                    entry.number - last.number - 1
                }
                Some((of, _)) => {
                    assert!(life > of, "{entry:?} came twice");
                    entry.number
                }
                None => entry.number,
            };
            assert_eq!(*lost_before, gap, "before {entry:?}");
            before = Some((life, *entry));
        }
        // What the board still keeps was told.
        let untold = self.ring.iter().find(|kept| self.told.iter().filter(|news| news.entry == **kept).count() != 1);
        assert_eq!(untold, None);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Note,
    Reset,
    PowerLoss,
    Runtime,
    Greet,
    Talk { ask_arrives: bool },
    Deliver { arrives: bool },
    Tell,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Note),
        1 => Just(Step::Reset),
        1 => Just(Step::PowerLoss),
        1 => Just(Step::Runtime),
        3 => Just(Step::Greet),
        8 => prop::bool::weighted(0.9).prop_map(|ask_arrives| Step::Talk { ask_arrives }),
        16 => prop::bool::weighted(0.9).prop_map(|arrives| Step::Deliver { arrives }),
        5 => Just(Step::Tell),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn each_line_is_told_once_and_in_order_whatever_is_lost(steps in prop::collection::vec(step(), 1..300)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Note => world.note(Event::Host(HostStage::Warned)),
                Step::Reset => world.start(false),
                Step::PowerLoss => world.start(true),
                Step::Runtime => world.runtime(),
                Step::Greet => world.greet(),
                Step::Talk { ask_arrives } => world.talk(ask_arrives),
                Step::Deliver { arrives } => world.deliver(arrives),
                Step::Tell => world.tell(),
            }
        }
        world.settle();
        world.check();
    }

    #[test]
    fn a_board_that_says_anything_makes_nothing_grow(
        said in prop::collection::vec((0_u8..6, any::<u32>(), 0_u32..4, any::<u64>(), 0_u64..3_000), 1..2_000),
    ) {
        let (mut mirror, mut now, mut asked) = (Mirror::new(), Duration::ZERO, 0);
        mirror.follow(now, Book::default());
        for (what, number, boot, at, pause_ms) in said {
            now += Duration::from_millis(pause_ms);
            match what {
                0 => mirror.greeted(now, &name(&format!("{}", number % 99)), BootNumber(boot)),
                1 => mirror.event(now, line(number, boot, at)),
                2 => mirror.end(now, LogEnd { next: number, damaged: boot }),
                3 => mirror.torn(now),
                _ => mirror.line(now, line(number, boot, at)),
            }
            if mirror.wants(now).is_some() {
                asked += 1;
                mirror.asked(now, Some(asked));
                mirror.answered(now, asked, number % 4 != 0);
            }
            prop_assert!(mirror.waiting() <= WAITING_MAX);
            if number % 3 == 0 {
                mirror.told();
            }
            prop_assert!(mirror.book.as_ref().is_none_or(|book| book.0.len() <= BOARDS_MAX));
        }
        prop_assert!(Duration::from_millis(400) * asked <= now + Duration::from_secs(1), "{asked} queries in {now:?}");
    }
}

/// A mirror that has told up to some line, and its answer to the next query.
fn following(told: LogEntry, boot: u32) -> (Mirror, Option<u32>) {
    let mut book = Book::default();
    book.note(&name("bench"), Place::of(&told));
    let mut mirror = Mirror::new();
    mirror.follow(Duration::ZERO, book);
    mirror.greeted(Duration::ZERO, &name("bench"), BootNumber(boot));
    let from = ask(&mut mirror, Duration::ZERO);
    (mirror, from)
}

fn ask(mirror: &mut Mirror, now: Duration) -> Option<u32> {
    let from = mirror.wants(now)?;
    mirror.asked(now, Some(1));
    mirror.answered(now, 1, true);
    Some(from)
}

fn answer(mirror: &mut Mirror, lines: &[LogEntry], next: u32) {
    for entry in lines {
        mirror.line(Duration::ZERO, *entry);
    }
    mirror.end(Duration::ZERO, LogEnd { next, damaged: 1 });
}

/// Number, lines lost before it, and whether the log is another one, of everything that waits.
fn news(mirror: &mut Mirror) -> Vec<(u32, u32, bool)> {
    let mut all = Vec::new();
    while let Some(news) = mirror.next() {
        all.push((news.entry.number, news.lost_before, news.anew));
        mirror.told();
    }
    all
}

#[test]
fn whoever_only_looks_asks_for_nothing() {
    let mut mirror = Mirror::new();
    mirror.greeted(Duration::ZERO, &name("bench"), BootNumber(3));
    mirror.event(Duration::ZERO, line(4, 3, 9));
    assert_eq!((mirror.wants(LOOK_EVERY), mirror.waiting()), (None, 0));
    mirror.follow(Duration::ZERO, Book::default());
    assert_eq!(mirror.wants(LOOK_EVERY), Some(0));
}

#[test]
fn a_log_that_started_anew_is_told_from_its_beginning() {
    // With a later start the board still counts; with the same or an earlier one it does not.
    for boot in [3, 2, 1] {
        let (mut mirror, from) = following(line(60, 2, 500), boot);
        let fresh: Vec<LogEntry> = (0..3).map(|number| line(number, boot, number.into())).collect();
        if boot >= 2 {
            assert_eq!(from, Some(60));
            answer(&mut mirror, &[], 3);
            assert_eq!(ask(&mut mirror, ASK_EVERY), Some(0));
        } else {
            assert_eq!(from, Some(0));
        }
        answer(&mut mirror, &fresh, 3);
        assert_eq!(news(&mut mirror), [(0, 0, true), (1, 0, false), (2, 0, false)], "boot {boot}");
        assert!(mirror.is_level());
    }
}

#[test]
fn numbers_that_damage_gave_twice_bring_nothing_twice() {
    let (mut mirror, from) = following(line(60, 2, 500), 3);
    assert_eq!(from, Some(60));
    // Line 60 was damaged, and the start of the board took its number.
    answer(&mut mirror, &[line(60, 3, 0), line(61, 3, 7)], 62);
    assert_eq!(ask(&mut mirror, ASK_EVERY), Some(0));
    answer(&mut mirror, &[line(58, 2, 300), line(59, 2, 400), line(60, 3, 0), line(61, 3, 7)], 62);
    assert_eq!(news(&mut mirror), [(60, 0, false), (61, 0, false)]);
    assert_eq!((mirror.is_level(), mirror.counts().damaged, mirror.counts().anew), (true, 1, 0));
}

#[test]
fn an_answer_without_an_end_is_asked_for_again_after_longer_and_longer() {
    let (mut mirror, _) = following(line(1, 1, 5), 1);
    let (mut now, mut pauses) = (Duration::ZERO, Vec::new());
    for _ in 0..9 {
        let begun = now;
        while mirror.wants(now).is_none() {
            now += STEP;
        }
        pauses.push((now - begun).as_secs());
        ask(&mut mirror, now);
    }
    assert_eq!(pauses, [3, 4, 6, 10, 18, 34, 62, 62, 62]);
    assert_eq!(mirror.counts().failed, 9);
    // A greeting begins anew, and what goes on without an end is cut off.
    mirror.greeted(now, &name("bench"), BootNumber(1));
    ask(&mut mirror, now + ASK_EVERY);
    (0..9_999).for_each(|at| mirror.line(now, line(1 + at, 1, 5 + u64::from(at))));
    assert_eq!((mirror.waiting(), mirror.is_level()), (WAITING_MAX, false));
}
