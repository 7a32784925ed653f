//! Loop devices: which bytes of what each of them shows. The name of a file is not enough for that: it may
//! have been renamed or deleted since, and the device goes on showing it.

use super::ground::{Span, Thing};
use super::kernel::{Kernel, Number};
use rustix::fs::{Mode, OFlags};
use rustix::ioctl::{Getter, Opcode, ioctl};
use std::path::Path;

/// What `LOOP_GET_STATUS64` tells, as `linux/loop.h` has it. Only the first part matters here.
#[repr(C)]
#[derive(Clone, Copy)]
struct Status {
    /// The device of the file system that the file is in.
    device: u64,
    inode: u64,
    /// The device itself, where it is over one.
    device_itself: u64,
    offset: u64,
    limit: u64,
    /// Numbers, names and keys.
    _rest: [u8; 16 + 64 + 64 + 32 + 16],
}

const LOOP_GET_STATUS64: Opcode = 0x4c05;

/// What a loop device shows; none when it is no loop device, or shows nothing.
pub fn shown(kernel: &Kernel, device: Number) -> Option<Span> {
    let file = kernel.file_of_loop(device)?;
    if let Some(status) = status(&kernel.path(device)) {
        let thing = match status.device_itself {
            0 => Thing::File(status.device, status.inode),
            device => Thing::Device(Number::of(device)),
        };
        return Some(Span::of(thing, status.offset, status.limit));
    }
    // Only root may ask the device itself.
    let thing = Thing::at(&file)?;
    let (offset, limit) = kernel.range_of_loop(device);
    Some(Span::of(thing, offset, limit))
}

fn status(path: &Path) -> Option<Status> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let open = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    // SAFETY: this request fills one `struct loop_info64`, which `Status` has the layout of, and which is
    // valid with any bytes. `path` is that of a device which the kernel calls a loop device.
    let status = unsafe { ioctl(&open, Getter::<LOOP_GET_STATUS64, Status>::new()) };
    status.ok()
}

#[cfg(test)]
mod tests {
    use super::Status;

    #[test]
    fn the_status_has_the_size_that_the_kernel_writes() {
        assert_eq!(size_of::<Status>(), 232);
    }
}
