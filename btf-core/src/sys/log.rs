//! Buffers for the logs that the verifier and the BTF check write, grown until a whole log fits.

use std::io;

/// The first buffer: enough for most rejections.
const FIRST: usize = 64 << 10;
/// The bounds between which a log's buffer grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    first: usize,
    last: usize,
}

impl Sizes {
    pub(super) const DEFAULT: Sizes = Sizes {
        first: FIRST,
        last: LAST,
    };

    /// One buffer of this size, whatever becomes of the log.
    pub(super) fn fixed(size: usize) -> Sizes {
        // The kernel takes no smaller one.
        let size = size.clamp(128, LAST);
        Sizes {
            first: size,
            last: size,
        }
    }
}

/// Where growing ends. The kernel takes up to 1 GiB, but no reader does.
const LAST: usize = 64 << 20;

/// What one attempt with a log buffer ended with.
pub(super) struct Attempt<T> {
    pub(super) answer: io::Result<T>,
    /// How large the kernel says the log is (from 6.4 on), else 0.
    pub(super) true_size: usize,
}

/// Repeats `attempt` with growing buffers until the log fits, and returns its answer with the log.
///
/// A log that does not fit makes the kernel answer `ENOSPC`, whatever else is wrong.
pub(super) fn with_log<T>(attempt: impl FnMut(&mut [u8]) -> Attempt<T>) -> (io::Result<T>, String) {
    with_log_of(Sizes::DEFAULT, attempt)
}

/// The same within other bounds.
pub(super) fn with_log_of<T>(
    sizes: Sizes,
    mut attempt: impl FnMut(&mut [u8]) -> Attempt<T>,
) -> (io::Result<T>, String) {
    let mut size = sizes.first;
    loop {
        let mut buffer = vec![0; size];
        let Attempt { answer, true_size } = attempt(&mut buffer);
        let is_short = matches!(&answer, Err(e) if e.raw_os_error() == Some(libc::ENOSPC));
        if is_short && size < sizes.last {
            size = if true_size > size {
                true_size
            } else {
                size * 4
            }
            .min(sizes.last);
            continue;
        }
        return (answer, text(&buffer));
    }
}

/// The log up to its terminator. What is not UTF-8 (names of the kernel's or the program's) is replaced.
fn text(buffer: &[u8]) -> String {
    let end = buffer.iter().position(|b| *b == 0).unwrap_or(buffer.len());
    String::from_utf8_lossy(&buffer[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(log: Vec<u8>, knows_size: bool) -> impl FnMut(&mut [u8]) -> Attempt<()> {
        move |buffer| {
            let fits = log.len() < buffer.len();
            let n = log.len().min(buffer.len() - 1);
            buffer[..n].copy_from_slice(&log[..n]);
            let errno = if fits { libc::EACCES } else { libc::ENOSPC };
            Attempt {
                answer: Err(io::Error::from_raw_os_error(errno)),
                true_size: if knows_size { log.len() + 1 } else { 0 },
            }
        }
    }

    #[test]
    fn the_buffer_grows_until_the_whole_log_fits() {
        for knows_size in [false, true] {
            let (answer, log) = with_log(writer(vec![b'x'; 3 << 20], knows_size));
            assert_eq!(answer.unwrap_err().raw_os_error(), Some(libc::EACCES));
            assert_eq!(log.len(), 3 << 20);
        }
    }

    #[test]
    fn growing_ends() {
        let (answer, log) = with_log(writer(vec![b'x'; LAST + 1], false));
        assert_eq!(answer.unwrap_err().raw_os_error(), Some(libc::ENOSPC));
        assert_eq!(log.len(), LAST - 1);
    }

    #[test]
    fn bytes_that_are_not_utf8_do_no_harm() {
        let (_, log) = with_log(writer(b"R1 \xff invalid\0rest".to_vec(), false));
        assert_eq!(log, "R1 \u{fffd} invalid");
    }
}
