//! Attachments without a link: the kernel keeps them until they are undone, even after the process
//! has ended.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Error, Result};
use crate::sys::Refusal;

/// Removal of an attachment without a link. It holds the sockets and file descriptors that it
/// needs, because a process may be at its limits when it detaches.
pub(crate) trait Binding: fmt::Debug + Send + Sync {
    /// Detaches the program. After an error it can be called again, and goes on where it failed.
    fn undo(&mut self, program: BorrowedFd<'_>) -> io::Result<()>;
}

/// Duplicates the file descriptor of what is about to be attached, for [`Bound`].
pub(crate) fn hold(program: BorrowedFd<'_>) -> Result<OwnedFd> {
    program
        .try_clone_to_owned()
        .map_err(|e| Error::os("cannot duplicate the program's fd", e))
}

/// A program that is attached without a link.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The program, so that no other is detached in its place.
    program: OwnedFd,
    binding: Box<dyn Binding>,
}

impl Bound {
    /// Cannot fail, so that it may follow the call that attaches.
    pub(crate) fn new(program: OwnedFd, binding: impl Binding + 'static) -> Bound {
        Bound {
            program,
            binding: Box::new(binding),
        }
    }

    /// Detaches the program.
    pub(crate) fn undo(&mut self) -> io::Result<()> {
        self.binding.undo(self.program.as_fd())
    }
}

impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}

/// Carries out a removal, and repeats it if its reply was lost. The second attempt may find that
/// the first took effect: the kernel then returns `gone`.
pub(crate) fn remove(
    gone: i32,
    mut removal: impl FnMut() -> Result<(), Refusal>,
) -> io::Result<()> {
    match removal() {
        Err(refusal) if refusal.is_answer_lost => match removal() {
            Err(refusal) if refusal.errno() == Some(gone) && !refusal.is_answer_lost => Ok(()),
            again => again,
        },
        once => once,
    }
    .map_err(|refusal| refusal.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(errno: i32, is_answer_lost: bool) -> Result<(), Refusal> {
        Err(Refusal {
            error: io::Error::from_raw_os_error(errno),
            words: None,
            is_answer_lost,
        })
    }

    fn removed(answers: &[(i32, bool)]) -> (io::Result<()>, usize) {
        let mut count = 0;
        let done = remove(libc::ENOENT, || {
            count += 1;
            match answers[count - 1] {
                (0, _) => Ok(()),
                (errno, is_lost) => refusal(errno, is_lost),
            }
        });
        (done, count)
    }

    #[test]
    fn removals_whose_answer_is_lost_are_repeated() {
        assert!(matches!(removed(&[(0, false)]), (Ok(()), 1)));
        let lost = (libc::ENOBUFS, true);
        assert!(matches!(removed(&[lost, (0, false)]), (Ok(()), 2)));
        assert!(matches!(
            removed(&[lost, (libc::ENOENT, false)]),
            (Ok(()), 2)
        ));
        assert!(matches!(removed(&[lost, lost]), (Err(_), 2)));
    }

    #[test]
    fn what_was_never_there_is_an_error() {
        let (done, count) = removed(&[(libc::ENOENT, false)]);
        assert_eq!(done.unwrap_err().raw_os_error(), Some(libc::ENOENT));
        assert_eq!(count, 1);
    }
}
