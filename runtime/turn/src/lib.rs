//! One turn as a state machine without I/O: events in, steps out.
