//! The device runtime: cameras, meters, ledger, offload client, local API (binary trimtab).
