//! What the host says, and what the board answers.

use crate::budgets::Budgets;
use crate::link::Heard;
use crate::supervisor::Supervisor;
use crate::wire::{
    BudgetWindow, Challenge, Config, Counters, Event, FromMcu, LogEnd, Nack, NackReason, Query, Tag, ToMcu, TripId,
};
use trimtab_core::Joules;

impl Supervisor<'_> {
    /// Takes bytes of the serial line.
    #[inline(never)]
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match self.link.push(*byte) {
                None => {}
                Some(Heard::Hello(hello)) => {
                    self.host.greeted(hello.boot);
                    self.pace.start(self.now);
                    self.reading_log = None;
                }
                Some(Heard::Ungreeted { number }) => self.refuse(number, NackReason::NotGreeted),
                Some(Heard::Message { message: ToMcu::Heartbeat { count, uptime_ms }, .. }) => {
                    self.watch_host(|host, now, _| host.beat(now, count, uptime_ms));
                }
                Some(Heard::Message { number, message }) => match self.carry_out(message) {
                    Ok(()) => {
                        self.link.send(&FromMcu::Ack { of: number });
                    }
                    Err(reason) => self.refuse(number, reason),
                },
            }
        }
    }

    fn refuse(&mut self, of: u32, reason: NackReason) {
        self.faults.nacks = self.faults.nacks.saturating_add(1);
        self.link.send(&FromMcu::Nack(Nack { of, reason }));
    }

    fn carry_out(&mut self, message: ToMcu) -> Result<(), NackReason> {
        match message {
            // Taken before, without an answer.
            ToMcu::Heartbeat { .. } => Ok(()),
            ToMcu::SetBudget { window, limit } => self.set_budget(window, limit),
            ToMcu::SetConfig { config, tag } => self.set_config(config, &tag),
            ToMcu::Release { trip, tag } => self.release(trip, &tag),
            ToMcu::Query(query) => self.answer(query),
        }
    }

    fn set_budget(&mut self, window: BudgetWindow, limit: Option<Joules>) -> Result<(), NackReason> {
        if limit.is_some_and(Joules::is_zero) {
            return Err(NackReason::ZeroLimit);
        }
        match (Budgets::ceiling(window, &self.record.config.budgets), limit) {
            (Some(ceiling), Some(asked)) if asked > ceiling => Err(NackReason::AboveCeiling { limit: ceiling }),
            _ => {
                self.budgets.allow(window, limit);
                Ok(())
            }
        }
    }

    #[inline(never)]
    fn set_config(&mut self, config: Config, tag: &Tag) -> Result<(), NackReason> {
        self.sealed(|board| board.seals.check_config(&config, tag))?;
        config.check().map_err(NackReason::Config)?;
        self.record.config = config;
        self.config_invalid = false;
        self.touch();
        self.note(Event::ConfigChanged);
        Ok(())
    }

    #[inline(never)]
    fn release(&mut self, trip: TripId, tag: &Tag) -> Result<(), NackReason> {
        self.sealed(|board| board.seals.check_release(trip, board.interlock.trip(), tag))?;
        let wanted = self.wanted();
        self.interlock.release(trip, wanted);
        self.note(Event::Released { trip, to: self.state() });
        if let Some(left) = self.interlock.trip() {
            self.note(Event::Tripped(left));
        }
        self.tripped();
        Ok(())
    }

    /// Notes a seal that is not believed.
    fn sealed(&mut self, check: impl FnOnce(&mut Self) -> Result<(), NackReason>) -> Result<(), NackReason> {
        let checked = check(self);
        if matches!(checked, Err(NackReason::WrongSeal | NackReason::ReplayedSeal)) {
            self.note(Event::SealRefused);
        }
        checked
    }

    #[inline(never)]
    fn answer(&mut self, query: Query) -> Result<(), NackReason> {
        let answer = match query {
            Query::Log { from } => {
                if self.reading_log.is_some() {
                    return Err(NackReason::Busy);
                }
                self.reading_log = Some(from);
                return Ok(());
            }
            Query::Config => FromMcu::Config(self.record.config),
            Query::Counters => FromMcu::Counters(self.counters()),
            Query::Challenge => FromMcu::Challenge(self.challenge()),
            Query::Budgets => FromMcu::Budgets(self.budgets.told(&self.record.config.budgets)),
        };
        self.link.send(&answer);
        Ok(())
    }

    pub(crate) fn challenge(&self) -> Challenge {
        Challenge { nonce: self.seals.nonce(), trip: self.interlock.trip(), has_key: self.seals.has_key() }
    }

    /// Sends lines of the log as long as there is plenty of room, then its end.
    #[inline(never)]
    pub(crate) fn send_log(&mut self) {
        while let Some(number) = self.reading_log {
            let (message, next) = match self.log.from(self.memory, number) {
                Some(entry) => (FromMcu::Log(entry), Some(entry.number.saturating_add(1))),
                None => (FromMcu::LogEnd(LogEnd { next: self.log.next(), damaged: self.log.damaged() }), None),
            };
            if !self.link.offer(&message) {
                break;
            }
            self.reading_log = next;
        }
    }

    fn counters(&self) -> Counters {
        let arrivals = self.link.arrivals();
        let (current, voltage, temperature) = self.sampler.counters();
        Counters {
            frames: *self.link.frames(),
            missing: arrivals.missing,
            repeated: arrivals.repeated,
            late: arrivals.late,
            ungreeted: self.link.ungreeted,
            refused: self.link.refused,
            nacks: self.faults.nacks,
            wrong_seals: self.seals.wrong,
            replayed_seals: self.seals.replayed,
            telemetry_dropped: self.pace.dropped(),
            frames_dropped: self.link.dropped,
            frozen_heartbeats: self.host.frozen,
            host_restarts: self.host.restarts,
            host_resets: self.host.pulses,
            current,
            voltage,
            temperature,
            clock_faults: self.faults.clock,
            stamp_faults: self.faults.stamps,
            store_faults: self.faults.store,
            log_faults: self.log.damaged(),
        }
    }
}
