//! What the bridge has done since it started.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counters of a running bridge.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: AtomicU64),+ }

        /// The counters at one moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Counts { $($(#[$doc])* pub $name: u64),+ }

        impl Counters {
            pub(crate) fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed)),+ }
            }
        }
    };
}

counters! {
    /// Packets on request topics.
    requests,
    /// Of these: further attempts of a request in flight.
    attached,
    /// Packets on request topics that could not be read.
    malformed,
    /// Calls of upstreams.
    upstream_calls,
    /// Answers published for the first time.
    answered,
    /// Answers published again.
    replayed,
    /// Refusals published.
    refused,
}

impl Counters {
    pub(crate) fn add(&self, counter: fn(&Self) -> &AtomicU64) {
        counter(self).fetch_add(1, Ordering::Relaxed);
    }
}
