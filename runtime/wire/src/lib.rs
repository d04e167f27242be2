//! The postcard contract between device and bridge, and the topic names.
