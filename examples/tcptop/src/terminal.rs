//! The terminal: a screen that is redrawn, and keys as they are pressed.

use std::io::{self, Write};
use std::time::Instant;

use crossterm::cursor::MoveTo;
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::style::Print;
use crossterm::terminal::{self, Clear, ClearType};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    Quit,
    Letter(char),
}

/// A terminal in raw mode, until this is dropped.
pub(crate) struct Screen(());

impl Screen {
    /// # Errors
    ///
    /// If the terminal does not have a raw mode.
    pub(crate) fn new() -> io::Result<Screen> {
        terminal::enable_raw_mode()?;
        Ok(Screen(()))
    }

    /// Returns the number of lines.
    pub(crate) fn height(&self) -> Option<usize> {
        let (_, rows) = terminal::size().ok()?;
        Some(usize::from(rows)).filter(|rows| *rows > 0)
    }

    /// Replaces the contents of the screen.
    ///
    /// # Errors
    ///
    /// If the terminal cannot be written to.
    pub(crate) fn draw(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        crossterm::queue!(out, MoveTo(0, 0), Clear(ClearType::FromCursorDown))?;
        // In raw mode, a newline alone does not return to the first column.
        crossterm::queue!(out, Print(text.replace('\n', "\r\n")))?;
        out.flush()
    }

    /// Waits for a key until `end`.
    ///
    /// # Errors
    ///
    /// If the terminal cannot be read.
    pub(crate) fn key(&self, end: Instant) -> io::Result<Option<Key>> {
        while event::poll(end.saturating_duration_since(Instant::now()))? {
            if let Some(key) = key(&event::read()?) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The program ends; it cannot do anything about an error.
        let _ = terminal::disable_raw_mode();
    }
}

fn key(event: &Event) -> Option<Key> {
    let key = event.as_key_press_event()?;
    match key.code {
        KeyCode::Char('q') => Some(Key::Quit),
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
        KeyCode::Char(letter) => Some(Key::Letter(letter)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyEvent;

    #[test]
    fn q_and_ctrl_c_quit() {
        let pressed = |code, modifiers| key(&Event::Key(KeyEvent::new(code, modifiers)));
        let (q, c, s) = ('q', 'c', 's');
        let plain = |c| pressed(KeyCode::Char(c), KeyModifiers::NONE);
        assert_eq!(plain(q), Some(Key::Quit));
        assert_eq!(plain(s), Some(Key::Letter(s)));
        assert_eq!(plain(c), Some(Key::Letter(c)));
        let ctrl_c = pressed(KeyCode::Char(c), KeyModifiers::CONTROL);
        assert_eq!(ctrl_c, Some(Key::Quit));
        assert_eq!(pressed(KeyCode::Up, KeyModifiers::NONE), None);
    }
}
