//! End-to-end tests against real brokers, real processes and emulated boards.
