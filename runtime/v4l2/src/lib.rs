//! Captures from Video4Linux devices, and turns raw pictures into RGB.
//!
//! | term | meaning |
//! |---|---|
//! | device | a node like `/dev/video0` that captures into one plane |
//! | mode | what a device was set to: pixel format, size, stride, colour, frames a second |
//! | buffer | memory of the driver that is mapped here; it belongs to the driver while it is queued, and to us otherwise |
//! | held | the one buffer that is ours: the newest picture. It is read only when somebody asks for it |
//! | layout | how the bytes of an uncompressed picture become pixels |
//!
//! A [`Stream`] keeps the newest picture and gives every older one back unread, so that pictures that nobody looks at cost one
//! system call each and no copy. `unsafe` stands in `call` (ioctl) and `map` (mmap) alone.

mod abi;
mod call;
mod choose;
mod convert;
mod device;
mod error;
mod layout;
mod map;
mod stream;

pub use choose::{Offer, SIZE, Sizes, Wish};
pub use device::{About, Device, FORMATS_MAX, Mode, RATES_MAX, SIZES_MAX};
pub use error::Error;
pub use layout::{Colour, Layout, LayoutError, Matrix, PIXELS_MAX, PixelFormat, Range, SIDE_MAX};
pub use stream::{BUFFERS, Captured, News, Stream, Waiter};
