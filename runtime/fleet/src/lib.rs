//! The operator's command line over MQTT (binary trimtab-fleet).
