//! The bridge from MQTT to OpenAI-compatible upstreams (binary trimtab-bridge).
