//! Parses clang's output into messages, each with its source lines and notes.

/// How grave a message is, as clang writes it.
const LEVELS: [(&str, Level); 4] = [
    ("fatal error: ", Level::Error),
    ("error: ", Level::Error),
    ("warning: ", Level::Warning),
    ("note: ", Level::Note),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Error,
    Warning,
    Note,
}

/// One message: its first line, the source that clang shows below, and before both the way to it
/// through headers.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) level: Level,
    /// The file that it is about, if it is about one.
    pub(super) path: Option<&'a str>,
    /// The first line.
    pub(super) head: &'a str,
    /// What is said, without the place.
    pub(super) text: &'a str,
    pub(super) lines: Vec<&'a str>,
    pub(super) notes: Vec<Message<'a>>,
}

/// The messages in clang's output.
#[derive(Debug, Default)]
pub(super) struct Output<'a> {
    /// Lines before the first message.
    pub(super) before: Vec<&'a str>,
    pub(super) messages: Vec<Message<'a>>,
    /// `2 errors generated.`, of each source.
    pub(super) counts: Vec<&'a str>,
}

impl<'a> Output<'a> {
    pub(super) fn of(stderr: &'a str) -> Output<'a> {
        let mut output = Output::default();
        // The way through headers comes before what it leads to.
        let mut way = Vec::new();
        for line in stderr.lines() {
            if line.starts_with("In file included from ") {
                way.push(line);
            } else if let Some(mut message) = Message::begin(line) {
                message.lines = std::mem::take(&mut way);
                message.lines.push(line);
                match output.messages.last_mut() {
                    Some(of) if message.level == Level::Note => of.notes.push(message),
                    _ => output.messages.push(message),
                }
            } else if line.ends_with(" generated.")
                && line.starts_with(|c: char| c.is_ascii_digit())
            {
                output.counts.push(line);
            } else {
                output.last().push(line);
            }
        }
        output.last().extend(way);
        output
    }

    /// The lines that come to an end last.
    fn last(&mut self) -> &mut Vec<&'a str> {
        let Some(message) = self.messages.last_mut() else {
            return &mut self.before;
        };
        match message.notes.last_mut() {
            Some(note) => &mut note.lines,
            None => &mut message.lines,
        }
    }
}

impl<'a> Message<'a> {
    /// The message that begins with this line, if one does. It has no lines yet.
    fn begin(line: &'a str) -> Option<Message<'a>> {
        let begins = |(word, level): &(&str, Level)| {
            let at = match line.starts_with(word) {
                true => 0,
                false => line.find(&format!(": {word}"))? + 2,
            };
            Some((at, at + word.len(), *level))
        };
        let (at, end, level) = LEVELS
            .iter()
            .filter_map(begins)
            .min_by_key(|(at, ..)| *at)?;
        let place = line[..at].trim_end_matches(": ");
        // `x.bpf.c:3:1`, a program's name, or nothing: source that is shown has spaces in front, or
        // something else.
        let path = numbered(place);
        if path.is_none() && place.contains(|c: char| !is_of_name(c)) {
            return None;
        }
        Some(Message {
            level,
            path,
            head: line,
            text: &line[end..],
            lines: Vec::new(),
            notes: Vec::new(),
        })
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./+".contains(c)
}

/// The path of `path:line:column`.
fn numbered(place: &str) -> Option<&str> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (rest, column) = place.rsplit_once(':')?;
    let (path, line) = rest.rsplit_once(':')?;
    (is_number(line) && is_number(column)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_lines_and_notes() {
        let output = Output::of(
            "In file included from x.bpf.c:1:\n\
             x.h:2:1: error: unknown type name 'u32'\n\
             \x20   2 | u32 a; // y: error: no\n\
             \x20     | ^\n\
             x.h:1:1: note: expanded from macro 'A'\n\
             #define A b\n\
             a b.c:3:4: warning: odd [-Wodd]\n\
             error: no place\n\
             1 warning and 2 errors generated.\n",
        );
        let heads: Vec<_> = output
            .messages
            .iter()
            .map(|m| (m.level, m.path, m.text, m.lines.len(), m.notes.len()))
            .collect();
        assert_eq!(
            heads,
            [
                (Level::Error, Some("x.h"), "unknown type name 'u32'", 4, 1),
                (Level::Warning, Some("a b.c"), "odd [-Wodd]", 1, 0),
                (Level::Error, None, "no place", 1, 0),
            ]
        );
        assert_eq!(output.messages[0].notes[0].lines.len(), 2);
        assert_eq!(output.counts, ["1 warning and 2 errors generated."]);
    }

    #[test]
    fn nothing_is_lost() {
        for text in [
            "",
            "clang: error: no input files",
            "odd\nwords: error: here\nIn file included from x:1:",
        ] {
            let output = Output::of(text);
            let lines = output.messages.iter().flat_map(|m| &m.lines);
            let all: Vec<_> = output.before.iter().chain(lines).copied().collect();
            assert_eq!(all.join("\n"), text);
        }
    }
}
