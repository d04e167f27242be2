//! Power cuts while the ledger is written.
//!
//! A board under QEMU runs [`script`] on a disk whose every write QEMU notes ([`log`]). After each settlement that the ledger
//! has acknowledged, the board writes a [`mark`] past the file system, around every cache. Then the power is cut, as often as
//! wanted, without the board: [`replay`] makes the disk as it may be after a cut, and [`judge`] holds the ledger on it to what
//! the marks say.

pub mod judge;
pub mod log;
pub mod mark;
pub mod replay;
pub mod script;
