//! A socket of `AF_XDP` that receives: its memory, and the two rings by which frames of it go to the kernel and back.
//!
//! Source: `Documentation/networking/af_xdp.rst` of the kernel.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, XDP_PGOFF_RX_RING, XDP_UMEM_PGOFF_FILL_RING, XdpDesc,
    XdpRingOffset, XdpUmemReg, XdpUmemRegFlags,
};
use rustix::net::{AddressFamily, SocketType, sockopt};

/// How many frames there are, and entries in each ring.
const FRAMES: u32 = 16;
const FRAME: u32 = 4096;

/// A socket on one queue of a device. It receives as many frames as it has memory for, and gives none back.
pub(crate) struct XdpSocket {
    fd: OwnedFd,
    frames: Memory,
    received: Ring,
    _fill: Ring,
}

impl XdpSocket {
    /// Makes one for the first queue of a device, to which the kernel copies frames.
    pub(crate) fn on(device: u32) -> XdpSocket {
        let family = AddressFamily::from_raw(libc::AF_XDP.try_into().expect("a small number"));
        let fd = rustix::net::socket(family, SocketType::RAW, None).expect("CONFIG_XDP_SOCKETS=y");
        let len = u64::from(FRAMES * FRAME);
        let frames = Memory::map(None, len, 0);
        let registered = sockopt::set_xdp_umem_reg(
            &fd,
            XdpUmemReg {
                addr: frames.start.as_ptr() as u64,
                len,
                chunk_size: FRAME,
                headroom: 0,
                flags: XdpUmemRegFlags::empty(),
                tx_metadata_len: 0,
            },
        );
        registered.unwrap();
        sockopt::set_xdp_umem_fill_ring_size(&fd, FRAMES).unwrap();
        sockopt::set_xdp_umem_completion_ring_size(&fd, FRAMES).unwrap();
        sockopt::set_xdp_rx_ring_size(&fd, FRAMES).unwrap();
        let at = sockopt::xdp_mmap_offsets(&fd).unwrap();
        let fill = Ring::of::<u64>(&fd, XDP_UMEM_PGOFF_FILL_RING, at.fr);
        for frame in 0..FRAMES {
            fill.put(frame, u64::from(frame * FRAME));
        }
        fill.producer().store(FRAMES, Ordering::Release);
        let received = Ring::of::<XdpDesc>(&fd, XDP_PGOFF_RX_RING, at.rx);
        rustix::net::bind(
            &fd,
            &SocketAddrXdp::new(SocketAddrXdpFlags::XDP_COPY, device, 0),
        )
        .unwrap();
        XdpSocket {
            fd,
            frames,
            received,
            _fill: fill,
        }
    }

    /// The next frame that has arrived.
    pub(crate) fn receive(&mut self) -> Option<Vec<u8>> {
        let at = self.received.consumer().load(Ordering::Relaxed);
        if self.received.producer().load(Ordering::Acquire) == at {
            return None;
        }
        let frame: XdpDesc = self.received.get(at);
        let bytes = self.frames.copy(frame.addr, frame.len);
        self.received.consumer().store(at + 1, Ordering::Release);
        Some(bytes)
    }
}

impl AsFd for XdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Memory that the kernel writes, too.
struct Memory {
    start: NonNull<c_void>,
    len: usize,
}

impl Memory {
    /// Maps a part of a file, or new memory.
    fn map(file: Option<&OwnedFd>, len: u64, offset: u64) -> Memory {
        let len = usize::try_from(len).expect("small");
        let (flags, fd) = match file {
            Some(file) => (libc::MAP_SHARED | libc::MAP_POPULATE, file.as_raw_fd()),
            None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
        };
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let offset = offset.try_into().expect("the kernel's own numbers");
        // SAFETY: a new mapping at a place of the kernel's choice is in nobody's way.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, fd, offset) };
        assert_ne!(
            start,
            libc::MAP_FAILED,
            "{}",
            std::io::Error::last_os_error()
        );
        let start = NonNull::new(start).expect("it is mapped");
        Memory { start, len }
    }

    /// The place of a `T` at an offset.
    fn at<T>(&self, offset: u64) -> *mut T {
        let offset = usize::try_from(offset).expect("small");
        assert!(offset.is_multiple_of(align_of::<T>()) && offset + size_of::<T>() <= self.len);
        // SAFETY: within the mapping, as was just asserted.
        unsafe { self.start.as_ptr().cast::<u8>().add(offset).cast() }
    }

    fn copy(&self, offset: u64, len: u32) -> Vec<u8> {
        // SAFETY: a byte of the mapping. The kernel has said that it is done with this frame.
        let byte = |n| unsafe { self.at::<u8>(offset + u64::from(n)).read_volatile() };
        (0..len).map(byte).collect()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing borrows from it.
        unsafe { libc::munmap(self.start.as_ptr(), self.len) };
    }
}

/// A ring of [`FRAMES`] entries.
struct Ring {
    memory: Memory,
    at: XdpRingOffset,
}

impl Ring {
    /// The ring with entries of type `T` that the kernel has at this page offset of the socket.
    fn of<T>(socket: &OwnedFd, page_offset: u64, at: XdpRingOffset) -> Ring {
        let len = at.desc + u64::from(FRAMES) * size_of::<T>() as u64;
        Ring {
            memory: Memory::map(Some(socket), len, page_offset),
            at,
        }
    }

    /// How many entries were ever put into it.
    fn producer(&self) -> &AtomicU32 {
        // SAFETY: a number within the mapping, which lives as long as this; both sides change it atomically.
        unsafe { AtomicU32::from_ptr(self.memory.at(self.at.producer)) }
    }

    /// How many were taken out.
    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as for the producer.
        unsafe { AtomicU32::from_ptr(self.memory.at(self.at.consumer)) }
    }

    fn entry<T>(&self, number: u32) -> *mut T {
        let size = size_of::<T>() as u64;
        self.memory
            .at(self.at.desc + u64::from(number % FRAMES) * size)
    }

    fn put(&self, number: u32, entry: u64) {
        // SAFETY: an entry of the mapping, which is this side's until the producer's number says otherwise.
        unsafe { self.entry::<u64>(number).write_volatile(entry) };
    }

    fn get(&self, number: u32) -> XdpDesc {
        // SAFETY: an entry of the mapping, which is this side's until the consumer's number says otherwise; numbers and flags,
        // of which any bits are a value.
        unsafe { self.entry::<XdpDesc>(number).read_volatile() }
    }
}
