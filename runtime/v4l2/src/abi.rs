//! What the kernel's `linux/videodev2.h` lays down: structures, numbers of the calls, and the constants that are used here.
//!
//! Reserved members are zero, as the kernel asks. A time is two 64-bit numbers also on processors of 32 bits: the kernel knows
//! that form of [`Buffer`] by its size, which is part of the call's number.

use rustix::ioctl::{Opcode, opcode};

/// Capturing into one plane: the type of every buffer here.
pub(crate) const CAPTURE: u32 = 1;
/// Buffers of the driver, mapped.
pub(crate) const MEMORY_MMAP: u32 = 1;
/// Whole pictures, not half pictures one after the other.
pub(crate) const FIELD_NONE: u32 = 1;

/// `capabilities`: `device_caps` is filled in.
pub(crate) const HAS_DEVICE_CAPS: u32 = 0x8000_0000;
pub(crate) const CAN_CAPTURE: u32 = 0x0000_0001;
pub(crate) const CAN_CAPTURE_PLANES: u32 = 0x0000_1000;
pub(crate) const CAN_STREAM: u32 = 0x0400_0000;
/// `capability` of capture parameters: the frame interval can be set.
pub(crate) const CAN_SET_INTERVAL: u32 = 0x1000;

/// `flags` of a buffer: the picture may be damaged.
pub(crate) const BUFFER_ERROR: u32 = 0x0040;
pub(crate) const BUFFER_CLOCK_MASK: u32 = 0xe000;
pub(crate) const BUFFER_CLOCK_MONOTONIC: u32 = 0x2000;

/// `kind` of an enumerated size or interval; two and three are a range.
pub(crate) const DISCRETE: u32 = 1;

pub(crate) const COLORSPACE_SMPTE240M: u32 = 2;
pub(crate) const COLORSPACE_REC709: u32 = 3;
pub(crate) const COLORSPACE_JPEG: u32 = 7;
pub(crate) const COLORSPACE_BT2020: u32 = 10;
pub(crate) const COLORSPACE_DCI_P3: u32 = 12;
pub(crate) const ENCODING_709: u32 = 2;
pub(crate) const ENCODING_XV709: u32 = 4;
pub(crate) const ENCODING_BT2020: u32 = 6;
pub(crate) const ENCODING_BT2020_CONSTANT: u32 = 7;
pub(crate) const ENCODING_SMPTE240M: u32 = 8;
pub(crate) const QUANTIZATION_DEFAULT: u32 = 0;
pub(crate) const QUANTIZATION_FULL: u32 = 1;

/// Four letters, the first in the lowest byte.
pub(crate) const fn fourcc(letters: [u8; 4]) -> u32 {
    u32::from_le_bytes(letters)
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Capability {
    pub(crate) driver: [u8; 16],
    pub(crate) card: [u8; 32],
    pub(crate) bus_info: [u8; 32],
    pub(crate) version: u32,
    pub(crate) capabilities: u32,
    pub(crate) device_caps: u32,
    pub(crate) reserved: [u32; 3],
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct FormatDescription {
    pub(crate) index: u32,
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) description: [u8; 32],
    pub(crate) pixelformat: u32,
    pub(crate) mbus_code: u32,
    pub(crate) reserved: [u32; 3],
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct PixFormat {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixelformat: u32,
    pub(crate) field: u32,
    pub(crate) bytesperline: u32,
    pub(crate) sizeimage: u32,
    pub(crate) colorspace: u32,
    pub(crate) private: u32,
    pub(crate) flags: u32,
    pub(crate) ycbcr_enc: u32,
    pub(crate) quantization: u32,
    pub(crate) xfer_func: u32,
}

/// The union of 200 bytes holds pointers in its other forms, hence its alignment.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct FormatUnion {
    pub(crate) pix: PixFormat,
    pub(crate) rest: [[u32; 2]; 19],
    pub(crate) align: [usize; 0],
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Format {
    pub(crate) kind: u32,
    pub(crate) fmt: FormatUnion,
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct FrameSize {
    pub(crate) index: u32,
    pub(crate) pixelformat: u32,
    pub(crate) kind: u32,
    /// Width and height; or least, greatest and step of the width, then of the height.
    pub(crate) figures: [u32; 6],
    pub(crate) reserved: [u32; 2],
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[repr(C)]
pub(crate) struct Fraction {
    pub(crate) numerator: u32,
    pub(crate) denominator: u32,
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct FrameInterval {
    pub(crate) index: u32,
    pub(crate) pixelformat: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) kind: u32,
    /// One; or shortest, longest and step.
    pub(crate) intervals: [Fraction; 3],
    pub(crate) reserved: [u32; 2],
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct CaptureParameters {
    pub(crate) capability: u32,
    pub(crate) mode: u32,
    pub(crate) interval: Fraction,
    pub(crate) extended: u32,
    pub(crate) buffers: u32,
    pub(crate) reserved: [u32; 4],
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct StreamParameters {
    pub(crate) kind: u32,
    pub(crate) capture: CaptureParameters,
    pub(crate) rest: [[u32; 8]; 5],
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct BufferRequest {
    pub(crate) count: u32,
    pub(crate) kind: u32,
    pub(crate) memory: u32,
    pub(crate) capabilities: u32,
    pub(crate) flags: [u8; 4],
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) micros: i64,
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct TimeCode {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) clock: [u8; 4],
    pub(crate) user: [u8; 4],
}

/// Where a buffer lies. The union holds a pointer in its other forms, which are never used here.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Place {
    pub(crate) offset: u32,
    pub(crate) rest: [u32; size_of::<usize>() / 4 - 1],
    pub(crate) align: [usize; 0],
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Buffer {
    pub(crate) index: u32,
    pub(crate) kind: u32,
    pub(crate) bytesused: u32,
    pub(crate) flags: u32,
    pub(crate) field: u32,
    pub(crate) timestamp: Time,
    pub(crate) timecode: TimeCode,
    pub(crate) sequence: u32,
    pub(crate) memory: u32,
    pub(crate) place: Place,
    pub(crate) length: u32,
    pub(crate) reserved: u32,
    pub(crate) request: i32,
}

const fn both<T>(number: u8) -> Opcode {
    opcode::read_write::<T>(b'V', number)
}

pub(crate) const QUERY_CAPABILITY: Opcode = opcode::read::<Capability>(b'V', 0);
pub(crate) const ENUMERATE_FORMAT: Opcode = both::<FormatDescription>(2);
pub(crate) const SET_FORMAT: Opcode = both::<Format>(5);
pub(crate) const REQUEST_BUFFERS: Opcode = both::<BufferRequest>(8);
pub(crate) const QUERY_BUFFER: Opcode = both::<Buffer>(9);
pub(crate) const QUEUE_BUFFER: Opcode = both::<Buffer>(15);
pub(crate) const DEQUEUE_BUFFER: Opcode = both::<Buffer>(17);
pub(crate) const STREAM_ON: Opcode = opcode::write::<u32>(b'V', 18);
pub(crate) const STREAM_OFF: Opcode = opcode::write::<u32>(b'V', 19);
pub(crate) const GET_PARAMETERS: Opcode = both::<StreamParameters>(21);
pub(crate) const SET_PARAMETERS: Opcode = both::<StreamParameters>(22);
pub(crate) const ENUMERATE_SIZE: Opcode = both::<FrameSize>(74);
pub(crate) const ENUMERATE_INTERVAL: Opcode = both::<FrameInterval>(75);

// Sizes that differ where a pointer has four bytes; a test holds the rest to the header itself.
const _: () = {
    let wide = size_of::<usize>() == 8;
    assert!(size_of::<Capability>() == 104);
    assert!(size_of::<PixFormat>() == 48);
    assert!(size_of::<FormatUnion>() == 200);
    assert!(size_of::<Format>() == if wide { 208 } else { 204 });
    assert!(size_of::<StreamParameters>() == 204);
    // x86 with 32 bits aligns 64-bit numbers to four bytes; it is no board.
    assert!(size_of::<Buffer>() == if wide { 88 } else { 80 } || cfg!(target_arch = "x86"));
};

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io::Write as _;
    use std::mem::offset_of;
    use std::process::{Command, Stdio};

    use super::*;

    /// Every member that is read or written here, by the kernel's name, with its place.
    fn claims() -> String {
        let mut text = "#include <stddef.h>\n#include <sys/ioctl.h>\n#include <linux/videodev2.h>\n".to_owned();
        let mut claim = |expression: String, value: u64| {
            writeln!(text, "_Static_assert(({expression}) == {value}, \"{expression}\");").unwrap();
        };
        macro_rules! structure {
            ($ours:ty = $theirs:literal { $($member:ident = $name:literal),* $(,)? }) => {
                claim(format!("sizeof(struct {})", $theirs), size_of::<$ours>() as u64);
                $(claim(format!("offsetof(struct {}, {})", $theirs, $name), offset_of!($ours, $member) as u64);)*
            };
        }
        structure!(Capability = "v4l2_capability" {
            driver = "driver", card = "card", bus_info = "bus_info", version = "version", capabilities = "capabilities",
            device_caps = "device_caps",
        });
        structure!(FormatDescription = "v4l2_fmtdesc" {
            index = "index", kind = "type", flags = "flags", description = "description", pixelformat = "pixelformat",
        });
        structure!(PixFormat = "v4l2_pix_format" {
            width = "width", height = "height", pixelformat = "pixelformat", field = "field",
            bytesperline = "bytesperline", sizeimage = "sizeimage", colorspace = "colorspace", private = "priv",
            flags = "flags", ycbcr_enc = "ycbcr_enc", quantization = "quantization", xfer_func = "xfer_func",
        });
        structure!(Format = "v4l2_format" { kind = "type", fmt = "fmt" });
        structure!(FrameSize = "v4l2_frmsizeenum" {
            index = "index", pixelformat = "pixel_format", kind = "type", figures = "discrete",
        });
        structure!(FrameInterval = "v4l2_frmivalenum" {
            index = "index", pixelformat = "pixel_format", width = "width", height = "height", kind = "type",
            intervals = "discrete",
        });
        structure!(CaptureParameters = "v4l2_captureparm" {
            capability = "capability", mode = "capturemode", interval = "timeperframe", extended = "extendedmode",
            buffers = "readbuffers",
        });
        structure!(StreamParameters = "v4l2_streamparm" { kind = "type", capture = "parm" });
        structure!(BufferRequest = "v4l2_requestbuffers" {
            count = "count", kind = "type", memory = "memory", capabilities = "capabilities",
        });
        structure!(TimeCode = "v4l2_timecode" {});
        structure!(Buffer = "v4l2_buffer" {
            index = "index", kind = "type", bytesused = "bytesused", flags = "flags", field = "field",
            timestamp = "timestamp", timecode = "timecode", sequence = "sequence", memory = "memory", place = "m",
            length = "length",
        });
        let numbers: [(&str, u64); 32] = [
            ("VIDIOC_QUERYCAP", QUERY_CAPABILITY.into()),
            ("VIDIOC_ENUM_FMT", ENUMERATE_FORMAT.into()),
            ("VIDIOC_S_FMT", SET_FORMAT.into()),
            ("VIDIOC_REQBUFS", REQUEST_BUFFERS.into()),
            ("VIDIOC_QUERYBUF", QUERY_BUFFER.into()),
            ("VIDIOC_QBUF", QUEUE_BUFFER.into()),
            ("VIDIOC_DQBUF", DEQUEUE_BUFFER.into()),
            ("VIDIOC_STREAMON", STREAM_ON.into()),
            ("VIDIOC_STREAMOFF", STREAM_OFF.into()),
            ("VIDIOC_G_PARM", GET_PARAMETERS.into()),
            ("VIDIOC_S_PARM", SET_PARAMETERS.into()),
            ("VIDIOC_ENUM_FRAMESIZES", ENUMERATE_SIZE.into()),
            ("VIDIOC_ENUM_FRAMEINTERVALS", ENUMERATE_INTERVAL.into()),
            ("V4L2_BUF_TYPE_VIDEO_CAPTURE", CAPTURE.into()),
            ("V4L2_MEMORY_MMAP", MEMORY_MMAP.into()),
            ("V4L2_FIELD_NONE", FIELD_NONE.into()),
            ("V4L2_CAP_DEVICE_CAPS", HAS_DEVICE_CAPS.into()),
            ("V4L2_CAP_VIDEO_CAPTURE", CAN_CAPTURE.into()),
            ("V4L2_CAP_VIDEO_CAPTURE_MPLANE", CAN_CAPTURE_PLANES.into()),
            ("V4L2_CAP_STREAMING", CAN_STREAM.into()),
            ("V4L2_CAP_TIMEPERFRAME", CAN_SET_INTERVAL.into()),
            ("V4L2_BUF_FLAG_ERROR", BUFFER_ERROR.into()),
            ("V4L2_BUF_FLAG_TIMESTAMP_MASK", BUFFER_CLOCK_MASK.into()),
            ("V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC", BUFFER_CLOCK_MONOTONIC.into()),
            ("V4L2_FRMSIZE_TYPE_DISCRETE", DISCRETE.into()),
            ("V4L2_COLORSPACE_SMPTE240M", COLORSPACE_SMPTE240M.into()),
            ("V4L2_COLORSPACE_REC709", COLORSPACE_REC709.into()),
            ("V4L2_COLORSPACE_JPEG", COLORSPACE_JPEG.into()),
            ("V4L2_COLORSPACE_BT2020", COLORSPACE_BT2020.into()),
            ("V4L2_COLORSPACE_DCI_P3", COLORSPACE_DCI_P3.into()),
            ("V4L2_YCBCR_ENC_SMPTE240M", ENCODING_SMPTE240M.into()),
            ("V4L2_QUANTIZATION_FULL_RANGE", QUANTIZATION_FULL.into()),
        ];
        for (name, value) in numbers {
            claim(name.to_owned(), value);
        }
        for format in crate::PixelFormat::ALL {
            let name = match format {
                crate::PixelFormat::Mjpg => "MJPEG",
                crate::PixelFormat::Yuyv => "YUYV",
                crate::PixelFormat::Nv12 => "NV12",
                crate::PixelFormat::Rgb24 => "RGB24",
                crate::PixelFormat::Grey => "GREY",
            };
            claim(format!("V4L2_PIX_FMT_{name}"), format.fourcc().into());
        }
        text
    }

    /// Lets a compiler check the claims against the header that it finds; false where there is no such compiler.
    fn agrees(compiler: &str) -> bool {
        let child = Command::new(compiler)
            .args(["-std=gnu11", "-fsyntax-only", "-x", "c", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else { return false };
        child.stdin.take().unwrap().write_all(claims().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{compiler}: {}", String::from_utf8_lossy(&output.stderr));
        true
    }

    #[test]
    fn layouts_and_numbers_are_those_of_the_kernels_header() {
        assert!(agrees("cc"), "no C compiler: run `cargo xtask setup`");
        // Both are of 64 bits, so what holds here must hold there.
        if cfg!(target_pointer_width = "64") {
            assert!(agrees("aarch64-linux-gnu-gcc"), "no C compiler for the boards: run `cargo xtask setup`");
        }
    }
}
