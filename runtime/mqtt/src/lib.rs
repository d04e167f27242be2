//! MQTT v5 client settings and the one task that polls.
