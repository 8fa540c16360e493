//! The terminal: its height, and keys as they are pressed.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetwinsize,
    tcsetattr,
};

/// Ctrl-C, which the terminal is not to turn into a signal: its settings would stay behind.
const INTERRUPT: u8 = 3;

/// What was pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    Quit,
    Letter(u8),
}

/// Standard input, giving single keys if it is a terminal. It is as before when this is dropped.
pub(crate) struct Keys {
    before: Option<Termios>,
}

impl Keys {
    /// # Errors
    ///
    /// If the terminal's settings cannot be read or changed.
    pub(crate) fn new() -> io::Result<Keys> {
        let input = io::stdin();
        if !isatty(&input) {
            return Ok(Keys { before: None });
        }
        let before = tcgetattr(&input)?;
        let mut raw = before.clone();
        raw.local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&input, OptionalActions::Now, &raw)?;
        Ok(Keys {
            before: Some(before),
        })
    }

    /// Waits for a key until `end`; `None` if none was pressed.
    ///
    /// # Errors
    ///
    /// What the terminal answers.
    pub(crate) fn wait(&self, end: Instant) -> io::Result<Option<Key>> {
        let left = end.saturating_duration_since(Instant::now());
        if self.before.is_none() {
            std::thread::sleep(left);
            return Ok(None);
        }
        let input = io::stdin();
        let mut fds = [PollFd::new(&input, PollFlags::IN)];
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(e) => return Err(e.into()),
        }
        let mut byte = [0];
        match rustix::io::read(&input, &mut byte)? {
            // The terminal has gone.
            0 => Ok(Some(Key::Quit)),
            _ => Ok(Some(key(byte[0]))),
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nobody is left to be told.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

fn key(byte: u8) -> Key {
    match byte {
        b'q' | INTERRUPT => Key::Quit,
        letter => Key::Letter(letter),
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// How many lines standard output shows, if it is a terminal that says so.
pub(crate) fn height() -> Option<usize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_row)).filter(|rows| *rows > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        assert_eq!(key(b'q'), Key::Quit);
        assert_eq!(key(INTERRUPT), Key::Quit);
        assert_eq!(key(b's'), Key::Letter(b's'));
    }
}
