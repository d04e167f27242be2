//! What the microcontroller notes, told on once each and in its order, whoever was away meanwhile.
//!
//! The board numbers its lines and keeps the newest in a ring; what it notes while the link is open it also sends at once. The
//! ring is the truth, and the messages sent at once are a short cut: they are taken only where they follow without a gap.
//!
//! ```text
//!           greeting · a line missing · a frame lost · a minute gone · room again
//!      ┌───────────────────────────────────────────────────────────────┐
//!      ▼       query                ack                 end            │
//!     Due ──────────────▶ Asked ──────────▶ Answered ──────────▶ Level ┘ takes events as they come
//!      ▲                    │                   │
//!      └── refused, silent ─┴── silent, torn ───┘     pauses double
//! ```
//!
//! Every answer begins with the line that was taken last. Where that is another one now, or gone with all its successors, the
//! log started anew (the board was without power), and is told from its beginning. Between lines of two logs their stamps
//! tell the order: starts are counted in flash. What the ring overwrote before it was read is counted by the numbers.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use trimtab_wire::mcu::{BootNumber, LogEnd, LogEntry, Name, Stamp};

/// Lines that wait to be told. What finds no room stays in the board's ring and is read later.
const WAITING_MAX: usize = 64;
/// Boards whose last line is remembered; the one that was silent longest is forgotten first.
const BOARDS_MAX: usize = 8;
/// Lines in one answer. No ring keeps so many; what comes on top is not believed.
const LINES_MAX: u32 = 256;
/// Without a word for so long an answer is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The shortest time from one query to the next.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Pause after an answer that failed; doubled up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How often the end of the log is looked at although nothing is known to be missing: a message can be lost without a trace.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A line's place among all that a board ever noted, over the losses of its log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    stamp: Stamp,
    number: u32,
}

impl Place {
    const fn of(entry: &LogEntry) -> Self {
        Self { stamp: entry.stamp, number: entry.number }
    }
}

/// The last line that was told, for each board. Kept over restarts of the runtime.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Book(Vec<(Name, Place)>);

impl Book {
    fn place(&self, board: &Name) -> Option<Place> {
        self.0.iter().find(|(name, _)| name == board).map(|(_, place)| *place)
    }

    fn note(&mut self, board: &Name, place: Place) {
        self.0.retain(|(name, _)| name != board);
        if self.0.len() >= BOARDS_MAX {
            self.0.remove(0);
        }
        self.0.push((board.clone(), place));
    }
}

/// A line to be told.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct News {
    /// Whose.
    pub(crate) board: Name,
    /// When it was heard.
    pub(crate) heard: Duration,
    /// The line.
    pub(crate) entry: LogEntry,
    /// It was not heard when it happened, but read from the log.
    pub(crate) missed: bool,
    /// Lines before it that were overwritten or damaged before they could be read.
    pub(crate) lost_before: u32,
    /// The log started anew with it, or before it: what was not told of the former one is gone.
    pub(crate) anew: bool,
}

/// What was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    /// Lines that were told.
    pub(super) told: u64,
    /// Lines that were overwritten or damaged before they could be read.
    pub(super) lost: u64,
    /// Lines that were damaged when the board started, by its own account.
    pub(super) damaged: u32,
    /// Lines that came out of their order, or without being asked for.
    pub(super) unordered: u32,
    /// Answers that were refused, or did not come to their end.
    pub(super) failed: u32,
    /// Logs that started anew.
    pub(super) anew: u32,
}

/// The answer that is being read.
#[derive(Clone, Copy, Debug)]
struct Answer {
    /// When the board spoke last.
    heard: Duration,
    lines: u32,
    /// The newest line in it.
    newest: Option<Place>,
    /// The number that the next line should have.
    next: u32,
    /// A frame was lost: a gap may be no gap.
    torn: bool,
    /// Nothing more of it is of use.
    void: Option<Void>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Void {
    /// A line was lost on the way.
    Torn,
    /// It is from a log that started anew, and has to be read from its beginning.
    Anew,
}

#[derive(Clone, Copy, Debug)]
enum Reading {
    /// To be asked for, not before this time.
    Due(Duration),
    /// Asked for by the frame of this number, at this time.
    Asked(u32, Duration),
    /// Lines come.
    Answered(Answer),
    /// Everything was read, at this time.
    Level(Duration),
}

/// Follows the log of the board at the other end.
#[derive(Debug)]
pub(super) struct Mirror {
    /// What was told; none while nobody tells, and nothing is asked for.
    book: Option<Book>,
    board: Option<(Name, BootNumber)>,
    /// The last line of this board's that was taken to be told.
    taken: Option<Place>,
    /// The log is read from its beginning, although lines of it may have been taken.
    whole: bool,
    /// Whether the next line is the first of another log.
    anew: bool,
    reading: Reading,
    asked: Option<Duration>,
    /// Answers that failed one after the other.
    failures: u32,
    waiting: VecDeque<News>,
    counts: Counts,
}

impl Mirror {
    pub(super) const fn new() -> Self {
        Self {
            book: None,
            board: None,
            taken: None,
            whole: false,
            anew: false,
            reading: Reading::Due(Duration::ZERO),
            asked: None,
            failures: 0,
            waiting: VecDeque::new(),
            counts: Counts { told: 0, lost: 0, damaged: 0, unordered: 0, failed: 0, anew: 0 },
        }
    }

    /// From now on somebody tells what the board notes; `book`: what was told before.
    pub(super) fn follow(&mut self, now: Duration, book: Book) {
        self.book = Some(book);
        if let Some((name, boot)) = self.board.take() {
            self.greeted(now, &name, boot);
        }
    }

    /// A board has greeted; whatever happened to its log before.
    pub(super) fn greeted(&mut self, now: Duration, name: &Name, boot: BootNumber) {
        let waiting = self.waiting.iter().rev().find(|news| news.board == *name);
        let told = || self.book.as_ref().and_then(|book| book.place(name));
        self.taken = waiting.map(|news| Place::of(&news.entry)).or_else(told);
        (self.whole, self.anew, self.failures) = (false, false, 0);
        self.board = Some((name.clone(), boot));
        // Its count of starts is gone, and with it the order of stamps.
        if self.taken.is_some_and(|taken| boot < taken.stamp.boot) {
            self.start_anew();
        }
        self.due(now);
    }

    /// Where to ask for the log from, if that is due.
    pub(super) fn wants(&mut self, now: Duration) -> Option<u32> {
        self.book.as_ref()?;
        self.board.as_ref()?;
        let late = |since: Duration, limit| now.saturating_sub(since) >= limit;
        match self.reading {
            Reading::Asked(_, at) if late(at, ANSWER_WITHIN) => self.fail(now),
            Reading::Answered(answer) if late(answer.heard, ANSWER_WITHIN) => self.fail(now),
            Reading::Level(at) if late(at, LOOK_EVERY) => self.due(now),
            Reading::Due(_) | Reading::Asked(..) | Reading::Answered(_) | Reading::Level(_) => {}
        }
        let has_room = self.waiting.len() <= WAITING_MAX / 2;
        match self.reading {
            Reading::Due(at) if now >= at && has_room => Some(self.first()),
            Reading::Due(_) | Reading::Asked(..) | Reading::Answered(_) | Reading::Level(_) => None,
        }
    }

    /// The query was sent as the frame of this number, or could not be.
    pub(super) fn asked(&mut self, now: Duration, number: Option<u32>) {
        self.asked = Some(now);
        match number {
            Some(number) => self.reading = Reading::Asked(number, now),
            None => self.fail(now),
        }
    }

    /// The board carries the frame of this number out, or does not.
    pub(super) fn answered(&mut self, now: Duration, number: u32, carried_out: bool) {
        match self.reading {
            Reading::Asked(asked, _) if asked == number && carried_out => {
                let next = self.taken.filter(|_| !self.whole).map_or(0, |taken| taken.number.saturating_add(1));
                let answer = Answer { heard: now, lines: 0, newest: None, next, torn: false, void: None };
                self.reading = Reading::Answered(answer);
            }
            Reading::Asked(asked, _) if asked == number => self.fail(now),
            Reading::Due(_) | Reading::Asked(..) | Reading::Answered(_) | Reading::Level(_) => {}
        }
    }

    /// A frame of the board's did not come.
    pub(super) fn torn(&mut self, now: Duration) {
        match &mut self.reading {
            Reading::Answered(answer) => answer.torn = true,
            // It may have been an event.
            Reading::Level(_) => self.due(now),
            Reading::Due(_) | Reading::Asked(..) => {}
        }
    }

    /// The board notes something now. Unless everything before it was read, it is read from the log in its turn.
    pub(super) fn event(&mut self, now: Duration, entry: LogEntry) {
        if !matches!(self.reading, Reading::Level(_)) {
            return;
        }
        let place = Place::of(&entry);
        let next = self.taken.map_or(0, |taken| taken.number.saturating_add(1));
        if self.taken == Some(place) {
            return;
        }
        let follows = entry.number == next && self.taken.is_none_or(|taken| place > taken);
        if !(follows && self.take(now, entry, false, 0)) {
            self.due(now);
        }
    }

    /// A line of the log.
    pub(super) fn line(&mut self, now: Duration, entry: LogEntry) {
        let (taken, whole) = (self.taken, self.whole);
        let Reading::Answered(answer) = &mut self.reading else {
            self.counts.unordered = self.counts.unordered.saturating_add(1);
            return;
        };
        answer.heard = now;
        answer.lines = answer.lines.saturating_add(1);
        if answer.lines > LINES_MAX {
            self.fail(now);
            return;
        }
        let place = Place::of(&entry);
        let is_first = answer.newest.is_none();
        if answer.newest.is_some_and(|newest| place.number <= newest.number || place < newest) {
            self.counts.unordered = self.counts.unordered.saturating_add(1);
            return;
        }
        answer.newest = Some(place);
        if answer.void.is_some() {
            return;
        }
        match taken {
            // It was told, in this log: the log did not start anew.
            Some(taken) if whole && place <= taken => {
                answer.next = entry.number.saturating_add(1);
                self.anew = false;
                return;
            }
            Some(taken) if !whole && place == taken => return,
            Some(taken) if !whole && is_first && (place < taken || place.number <= taken.number) => {
                answer.void = Some(Void::Anew);
                self.start_anew();
                return;
            }
            // Nobody knows which log it is from.
            Some(_) if !whole && is_first && answer.torn => {
                answer.void = Some(Void::Torn);
                return;
            }
            Some(_) | None => {}
        }
        let lost = entry.number.saturating_sub(answer.next);
        if lost > 0 && answer.torn {
            answer.void = Some(Void::Torn);
            return;
        }
        answer.next = entry.number.saturating_add(1);
        if !self.take(now, entry, true, lost) {
            self.due(now);
        }
    }

    /// The log was sent.
    pub(super) fn end(&mut self, now: Duration, end: LogEnd) {
        let Reading::Answered(answer) = self.reading else { return };
        self.counts.damaged = end.damaged;
        let shorter = !self.whole && self.taken.is_some_and(|taken| end.next <= taken.number);
        let unknown = !self.whole && self.taken.is_some() && answer.newest.is_none();
        match answer.void {
            Some(Void::Anew) => self.due(now),
            Some(Void::Torn) => self.fail(now),
            None if shorter => {
                self.start_anew();
                self.due(now);
            }
            // Its last lines may be what was lost.
            None if answer.torn && (unknown || answer.next < end.next) => self.fail(now),
            None => {
                (self.whole, self.failures) = (false, 0);
                self.reading = Reading::Level(now);
            }
        }
    }

    /// What is to be told next.
    pub(super) fn next(&self) -> Option<&News> {
        self.waiting.front()
    }

    /// It was told: what is to be kept of that.
    pub(super) fn told(&mut self) -> Option<&Book> {
        let news = self.waiting.pop_front()?;
        self.counts.told = self.counts.told.saturating_add(1);
        let book = self.book.as_mut()?;
        book.note(&news.board, Place::of(&news.entry));
        Some(book)
    }

    /// How many wait to be told.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Everything that the board has noted was taken, as far as is known.
    pub(super) const fn is_level(&self) -> bool {
        matches!(self.reading, Reading::Level(_))
    }

    pub(super) const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The number to ask for the log from.
    fn first(&self) -> u32 {
        self.taken.filter(|_| !self.whole).map_or(0, |taken| taken.number)
    }

    fn due(&mut self, now: Duration) {
        self.reading = Reading::Due(self.asked.map_or(now, |asked| now.max(asked.saturating_add(ASK_EVERY))));
    }

    fn fail(&mut self, now: Duration) {
        self.counts.failed = self.counts.failed.saturating_add(1);
        let pause = PAUSE.0.saturating_mul(1 << self.failures.min(6)).min(PAUSE.1);
        self.failures = self.failures.saturating_add(1);
        self.reading = Reading::Due(now.saturating_add(pause));
    }

    /// The log is not the one that was read last, or is shorter than that was.
    fn start_anew(&mut self) {
        self.anew = true;
        let boot = self.board.as_ref().map(|(_, boot)| *boot);
        match self.taken {
            // Numbers of damaged lines are used again, and then earlier lines were told: a later start tells which are new.
            Some(taken) if boot > Some(taken.stamp.boot) => self.whole = true,
            Some(_) | None => self.taken = None,
        }
    }

    /// Takes a line, if there is room.
    fn take(&mut self, now: Duration, entry: LogEntry, missed: bool, lost_before: u32) -> bool {
        let Some((board, _)) = &self.board else { return false };
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        let anew = std::mem::take(&mut self.anew);
        self.counts.anew = self.counts.anew.saturating_add(u32::from(anew));
        self.counts.lost = self.counts.lost.saturating_add(lost_before.into());
        self.waiting.push_back(News { board: board.clone(), heard: now, entry, missed, lost_before, anew });
        self.taken = Some(Place::of(&entry));
        self.failures = 0;
        true
    }
}
