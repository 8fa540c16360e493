//! The pipe to the C program. A request is a verb and byte strings; the reply is a status and
//! bytes.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Result;

/// More parts than any question has.
const MOST_PARTS: u32 = 16;

/// A question.
pub(crate) struct Question {
    pub(crate) verb: String,
    pub(crate) parts: Vec<Vec<u8>>,
}

impl Question {
    /// A part as text.
    pub(crate) fn text(&self, part: usize) -> String {
        String::from_utf8_lossy(self.bytes(part)).into_owned()
    }

    /// A part as a number.
    pub(crate) fn number(&self, part: usize) -> u32 {
        let bytes = self.bytes(part).first_chunk();
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }

    /// A part; empty if it does not exist.
    pub(crate) fn bytes(&self, part: usize) -> &[u8] {
        self.parts.get(part).map_or(&[], Vec::as_slice)
    }
}

/// A status, 0 or a negative error number as in C, and bytes.
pub(crate) struct Answer {
    pub(crate) status: i32,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(status: i32) -> Answer {
        Answer {
            status,
            bytes: Vec::new(),
        }
    }

    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status: 0,
            bytes: bytes.into(),
        }
    }
}

/// The running C program.
pub(crate) struct Channel {
    child: Child,
    questions: ChildStdout,
    answers: ChildStdin,
}

impl Channel {
    /// Starts tests of the program in a directory, with the types of a kernel.
    pub(crate) fn open(
        program: &Path,
        dir: &Path,
        kernel_btf: &str,
        tests: &[&str],
    ) -> Result<Channel> {
        let failed = |e| format!("cannot run {}: {e}", program.display());
        let mut child = Command::new(program)
            .args(tests)
            .current_dir(dir)
            .env("SUITE_KERNEL_BTF", kernel_btf)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        match (child.stdout.take(), child.stdin.take()) {
            (Some(questions), Some(answers)) => Ok(Channel {
                child,
                questions,
                answers,
            }),
            _ => Err(format!("{} has no pipes", program.display())),
        }
    }

    /// The next question; `None` at the end.
    pub(crate) fn question(&mut self) -> Result<Option<Question>> {
        let failed = |e: io::Error| format!("question of the C program: {e}");
        let count = match self.number() {
            Ok(count @ 1..=MOST_PARTS) => count,
            Ok(count) => return Err(format!("question of {count} parts")),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let mut parts = Vec::new();
        for _ in 0..count {
            let size = self.number().map_err(failed)?;
            let mut part = vec![0; size as usize];
            self.questions.read_exact(&mut part).map_err(failed)?;
            parts.push(part);
        }
        let verb = String::from_utf8_lossy(&parts.remove(0)).into_owned();
        Ok(Some(Question { verb, parts }))
    }

    pub(crate) fn answer(&mut self, answer: &Answer) -> Result<()> {
        let size = answer.bytes.len() as u32;
        let mut bytes = answer.status.to_ne_bytes().to_vec();
        bytes.extend(size.to_ne_bytes());
        bytes.extend(&answer.bytes);
        let written = self.answers.write_all(&bytes);
        written.map_err(|e| format!("answer to the C program: {e}"))
    }

    /// Waits for the end.
    pub(crate) fn close(self) -> Result<()> {
        let Channel {
            mut child, answers, ..
        } = self;
        drop(answers);
        match child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("the C program ended early ({status})")),
            Err(e) => Err(format!("cannot wait for the C program: {e}")),
        }
    }

    fn number(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.questions.read_exact(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }
}
