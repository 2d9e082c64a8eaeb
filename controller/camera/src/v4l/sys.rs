//! The kernel's capture calls, each as one safe function: the only unsafe code of this package.
//!
//! Structures and call numbers are those of the v4l crate. Nothing here judges an answer, and
//! nothing panics: what a driver writes into a structure is handed on as it is.

use super::stamp::Stamp;
use memmap2::{MmapOptions, MmapRaw};
use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::time::Duration;
use v4l::v4l_sys as kernel;
use v4l::v4l2::{self, vidioc};

const CAPTURE: u32 = v4l::buffer::Type::VideoCapture as u32;
const MMAP: u32 = v4l::memory::Memory::Mmap as u32;

/// A structure of the kernel's calls: plain numbers, for which zeroes are a value.
trait Plain: Copy {
    fn zero() -> Self {
        // SAFETY: implemented only for the kernel's structures below; they are made of integers,
        // arrays and unions of such, so all bits zero are a value of each.
        unsafe { mem::zeroed() }
    }
}

impl Plain for kernel::v4l2_capability {}
impl Plain for kernel::v4l2_fmtdesc {}
impl Plain for kernel::v4l2_frmsizeenum {}
impl Plain for kernel::v4l2_frmivalenum {}
impl Plain for kernel::v4l2_format {}
impl Plain for kernel::v4l2_streamparm {}
impl Plain for kernel::v4l2_requestbuffers {}
impl Plain for kernel::v4l2_buffer {}
impl Plain for kernel::v4l2_queryctrl {}
impl Plain for kernel::v4l2_querymenu {}
impl Plain for kernel::v4l2_control {}
impl Plain for u32 {}

/// The call `request`, whose structure is a `T`.
fn call<T: Plain>(file: &File, request: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
    loop {
        let argument: *mut T = argument;
        // SAFETY: the functions below pair each call with the structure it is defined with, and
        // `argument` is a valid, exclusive one of those for the time of the call.
        match unsafe { v4l2::ioctl(file.as_raw_fd(), request, argument.cast::<c_void>()) } {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Whether this node captures pictures, one plane each, and streams them.
pub(super) fn captures(file: &File) -> io::Result<bool> {
    let mut answer = kernel::v4l2_capability::zero();
    call(file, vidioc::VIDIOC_QUERYCAP, &mut answer)?;
    // A device has several nodes: what this one does is in `device_caps`, where that is filled in.
    let has_own = answer.capabilities & kernel::V4L2_CAP_DEVICE_CAPS != 0;
    let capabilities = if has_own { answer.device_caps } else { answer.capabilities };
    let needed = kernel::V4L2_CAP_VIDEO_CAPTURE | kernel::V4L2_CAP_STREAMING;
    Ok(capabilities & needed == needed)
}

/// The code of the format number `index`.
pub(super) fn format_at(file: &File, index: u32) -> io::Result<[u8; 4]> {
    let mut answer = kernel::v4l2_fmtdesc { index, type_: CAPTURE, ..kernel::v4l2_fmtdesc::zero() };
    call(file, vidioc::VIDIOC_ENUM_FMT, &mut answer)?;
    Ok(answer.pixelformat.to_le_bytes())
}

/// Sizes, or intervals, as the kernel enumerates them.
pub(super) enum Listed<T> {
    /// One of several.
    One(T),
    /// All from the first to the second; the third is the step. The only entry.
    Range(T, T, T),
}

/// The size number `index` of a format.
pub(super) fn size_at(file: &File, fourcc: [u8; 4], index: u32) -> io::Result<Listed<(u32, u32)>> {
    let pixel_format = u32::from_le_bytes(fourcc);
    let mut answer =
        kernel::v4l2_frmsizeenum { index, pixel_format, ..kernel::v4l2_frmsizeenum::zero() };
    call(file, vidioc::VIDIOC_ENUM_FRAMESIZES, &mut answer)?;
    if answer.type_ == kernel::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
        // SAFETY: the type says which member is filled in, and all are integers.
        let size = unsafe { answer.__bindgen_anon_1.discrete };
        return Ok(Listed::One((size.width, size.height)));
    }
    // SAFETY: as above.
    let sizes = unsafe { answer.__bindgen_anon_1.stepwise };
    Ok(Listed::Range(
        (sizes.min_width, sizes.min_height),
        (sizes.max_width, sizes.max_height),
        (sizes.step_width, sizes.step_height),
    ))
}

/// The interval number `index` of a format at a size: numerator and denominator.
pub(super) fn interval_at(
    file: &File,
    fourcc: [u8; 4],
    (width, height): (u32, u32),
    index: u32,
) -> io::Result<Listed<(u32, u32)>> {
    let pixel_format = u32::from_le_bytes(fourcc);
    let zero = kernel::v4l2_frmivalenum::zero();
    let mut answer = kernel::v4l2_frmivalenum { index, pixel_format, width, height, ..zero };
    call(file, vidioc::VIDIOC_ENUM_FRAMEINTERVALS, &mut answer)?;
    let pair = |fraction: kernel::v4l2_fract| (fraction.numerator, fraction.denominator);
    if answer.type_ == kernel::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
        // SAFETY: the type says which member is filled in, and all are integers.
        return Ok(Listed::One(pair(unsafe { answer.__bindgen_anon_1.discrete })));
    }
    // SAFETY: as above.
    let range = unsafe { answer.__bindgen_anon_1.stepwise };
    Ok(Listed::Range(pair(range.min), pair(range.max), pair(range.step)))
}

/// A format as it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SetFormat {
    pub(super) fourcc: [u8; 4],
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) stride_bytes: u32,
}

/// Sets a format. The driver may set another: see [`format`].
pub(super) fn set_format(
    file: &File,
    fourcc: [u8; 4],
    (width, height): (u32, u32),
) -> io::Result<()> {
    let mut wish = kernel::v4l2_format { type_: CAPTURE, ..kernel::v4l2_format::zero() };
    wish.fmt.pix = kernel::v4l2_pix_format {
        width,
        height,
        pixelformat: u32::from_le_bytes(fourcc),
        field: kernel::v4l2_field_V4L2_FIELD_ANY,
        // SAFETY: `wish` is all zeroes but for its type, and the member is made of integers.
        ..unsafe { wish.fmt.pix }
    };
    call(file, vidioc::VIDIOC_S_FMT, &mut wish)
}

/// The format that is set.
pub(super) fn format(file: &File) -> io::Result<SetFormat> {
    let mut answer = kernel::v4l2_format { type_: CAPTURE, ..kernel::v4l2_format::zero() };
    call(file, vidioc::VIDIOC_G_FMT, &mut answer)?;
    // SAFETY: for capture this member is the one filled in, and it is made of integers.
    let pix = unsafe { answer.fmt.pix };
    Ok(SetFormat {
        fourcc: pix.pixelformat.to_le_bytes(),
        width: pix.width,
        height: pix.height,
        stride_bytes: pix.bytesperline,
    })
}

/// Sets the interval between pictures. The driver may set another: see [`interval`].
pub(super) fn set_interval(file: &File, (numerator, denominator): (u32, u32)) -> io::Result<()> {
    let mut wish = kernel::v4l2_streamparm { type_: CAPTURE, ..kernel::v4l2_streamparm::zero() };
    wish.parm.capture = kernel::v4l2_captureparm {
        timeperframe: kernel::v4l2_fract { numerator, denominator },
        // SAFETY: `wish` is all zeroes but for its type, and the member is made of integers.
        ..unsafe { wish.parm.capture }
    };
    call(file, vidioc::VIDIOC_S_PARM, &mut wish)
}

/// The interval that is set: numerator and denominator.
pub(super) fn interval(file: &File) -> io::Result<(u32, u32)> {
    let mut answer = kernel::v4l2_streamparm { type_: CAPTURE, ..kernel::v4l2_streamparm::zero() };
    call(file, vidioc::VIDIOC_G_PARM, &mut answer)?;
    // SAFETY: for capture this member is the one filled in, and it is made of integers.
    let fraction = unsafe { answer.parm.capture.timeperframe };
    Ok((fraction.numerator, fraction.denominator))
}

/// A control as the driver describes it.
pub(super) struct Described {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) min: i32,
    pub(super) max: i32,
    pub(super) step: i32,
    pub(super) default: i32,
}

/// The control behind the one of the number `id`; 0 asks for the first.
pub(super) fn control_after(file: &File, id: u32) -> io::Result<Described> {
    let id = id | kernel::V4L2_CTRL_FLAG_NEXT_CTRL;
    let mut answer = kernel::v4l2_queryctrl { id, ..kernel::v4l2_queryctrl::zero() };
    call(file, vidioc::VIDIOC_QUERYCTRL, &mut answer)?;
    Ok(Described {
        id: answer.id,
        name: text(&answer.name),
        kind: answer.type_,
        flags: answer.flags,
        min: answer.minimum,
        max: answer.maximum,
        step: answer.step,
        default: answer.default_value,
    })
}

/// The name of the entry `index` of a control's menu.
pub(super) fn menu_entry(file: &File, id: u32, index: u32) -> io::Result<String> {
    let zero = kernel::v4l2_querymenu::zero();
    let mut answer = kernel::v4l2_querymenu { id, index, ..zero };
    call(file, vidioc::VIDIOC_QUERYMENU, &mut answer)?;
    // SAFETY: of a menu of names this member is the one filled in, and it is made of bytes.
    let name = unsafe { answer.__bindgen_anon_1.name };
    Ok(text(&name))
}

/// The value of a control.
pub(super) fn control(file: &File, id: u32) -> io::Result<i32> {
    let mut answer = kernel::v4l2_control { id, value: 0 };
    call(file, vidioc::VIDIOC_G_CTRL, &mut answer)?;
    Ok(answer.value)
}

/// Sets a control. The driver may set another value: see [`control`].
pub(super) fn set_control(file: &File, id: u32, value: i32) -> io::Result<()> {
    call(file, vidioc::VIDIOC_S_CTRL, &mut kernel::v4l2_control { id, value })
}

/// A name in a structure, up to its end: names are bytes, not text.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// Asks for `count` mapped buffers, or with 0 gives them back; returns how many there are.
pub(super) fn request_buffers(file: &File, count: u32) -> io::Result<u32> {
    let zero = kernel::v4l2_requestbuffers::zero();
    let mut wish = kernel::v4l2_requestbuffers { count, type_: CAPTURE, memory: MMAP, ..zero };
    call(file, vidioc::VIDIOC_REQBUFS, &mut wish)?;
    Ok(wish.count)
}

fn buffer(index: u32) -> kernel::v4l2_buffer {
    kernel::v4l2_buffer { index, type_: CAPTURE, memory: MMAP, ..kernel::v4l2_buffer::zero() }
}

/// Memory that the driver writes to while a buffer is queued.
pub(super) struct Mapped(MmapRaw);

impl Mapped {
    /// Maps the buffer number `index`.
    pub(super) fn new(file: &File, index: u32) -> io::Result<Self> {
        let mut answer = buffer(index);
        call(file, vidioc::VIDIOC_QUERYBUF, &mut answer)?;
        // SAFETY: for mapped buffers this member is the one filled in, and it is an integer.
        let offset = unsafe { answer.m.offset };
        let mut options = MmapOptions::new();
        options.offset(u64::from(offset)).len(answer.length as usize);
        Ok(Self(options.map_raw(file)?))
    }

    /// The first `length` bytes, or all. The buffer must not be queued.
    pub(super) fn bytes(&self, length: usize) -> &[u8] {
        // SAFETY: the mapping is valid for `len` bytes as long as `self` lives. The driver does
        // not write to a buffer that is not queued, and to queue it needs its stream exclusively.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), length.min(self.0.len())) }
    }
}

/// Hands the buffer number `index` to the driver.
pub(super) fn queue(file: &File, index: u32) -> io::Result<()> {
    call(file, vidioc::VIDIOC_QBUF, &mut buffer(index))
}

/// A buffer that the driver filled.
pub(super) struct Dequeued {
    pub(super) index: u32,
    pub(super) used_bytes: u32,
    pub(super) corrupt: bool,
    pub(super) stamp: Stamp,
}

/// Takes a filled buffer from the driver; does not wait.
pub(super) fn dequeue(file: &File) -> io::Result<Dequeued> {
    let mut answer = buffer(0);
    call(file, vidioc::VIDIOC_DQBUF, &mut answer)?;
    let stamp = Stamp {
        monotonic: answer.flags & kernel::V4L2_BUF_FLAG_TIMESTAMP_MASK
            == kernel::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
        sec: answer.timestamp.tv_sec,
        usec: answer.timestamp.tv_usec,
    };
    Ok(Dequeued {
        index: answer.index,
        used_bytes: answer.bytesused,
        corrupt: answer.flags & kernel::V4L2_BUF_FLAG_ERROR != 0,
        stamp,
    })
}

/// Lets the driver fill queued buffers, or stops it.
pub(super) fn stream(file: &File, on: bool) -> io::Result<()> {
    let request = if on { vidioc::VIDIOC_STREAMON } else { vidioc::VIDIOC_STREAMOFF };
    call(file, request, &mut { CAPTURE })
}

/// Waits at most `timeout` for a filled buffer; false if there is none by then.
pub(super) fn wait(file: &File, timeout: Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    loop {
        // SAFETY: `poll` is one valid pollfd for the time of the call.
        match unsafe { libc::poll(&mut poll, 1, timeout_ms) } {
            0 => return Ok(false),
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
            // With an error on the file: the call that takes the buffer says which.
            _ => return Ok(true),
        }
    }
}
