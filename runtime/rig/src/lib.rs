//! Broker, shaped link, stand-in cloud, bridge and device in one process.
