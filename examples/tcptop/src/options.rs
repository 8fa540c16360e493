//! Command line.

use std::time::Duration;

pub(crate) const USAGE: &str = "\
Usage: tcptop [OPTIONS]

Shows who sends and receives how many bytes over TCP: a process and a peer a row.

Options:
  -p, --pid PID         only this process
  -4                    only IPv4
  -6                    only IPv6
  -s, --sort KEY        total (the default), sent, received, pid or name
  -i, --interval SECS   time from table to table (1)
  -c, --count N         stop after this many tables
  -n, --top N           this many rows at most (as many as the terminal has, else all)
  -C, --connections     a row for each connection, with its ports, not for each peer
  -t, --cumulative      bytes since the start, not of the last interval
  -b, --bytes           whole numbers, not 1.2M
      --flows N         connections to keep count of (10240)
      --json            one JSON object a row
      --batch           tables one below the other (the default unless on a terminal)
  -h, --help            this text

On a terminal, the keys t, s, r, p and n sort by total, sent, received, pid and name; q ends.
";

/// How rounds are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Batch,
    Json,
}

/// What rows are sorted by: numbers of bytes with the largest first, the others with the smallest.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum Sort {
    #[default]
    Total,
    Sent,
    Received,
    Pid,
    Name,
}

impl Sort {
    const ALL: [(Sort, &str); 5] = [
        (Sort::Total, "total"),
        (Sort::Sent, "sent"),
        (Sort::Received, "received"),
        (Sort::Pid, "pid"),
        (Sort::Name, "name"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Sort::ALL[self as usize].1
    }

    /// The key whose name begins with this letter.
    pub(crate) fn of_letter(letter: u8) -> Option<Sort> {
        let of = |(_, name): &&(Sort, &str)| name.as_bytes().first() == Some(&letter);
        Sort::ALL.iter().find(of).map(|(sort, _)| *sort)
    }

    fn of_name(text: &str) -> Result<Sort, String> {
        let found = Sort::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(sort, _)| *sort).ok_or_else(|| {
            let names = Sort::ALL.map(|(_, name)| name).join(", ");
            format!("--sort: `{text}` is none of {names}")
        })
    }
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) pid: Option<u32>,
    /// 4 or 6.
    pub(crate) version: Option<u8>,
    pub(crate) sort: Sort,
    pub(crate) interval: Duration,
    pub(crate) count: Option<u64>,
    pub(crate) top: Option<usize>,
    pub(crate) connections: bool,
    pub(crate) cumulative: bool,
    pub(crate) bytes: bool,
    pub(crate) flows: Option<u32>,
    pub(crate) format: Option<Format>,
    pub(crate) help: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            pid: None,
            version: None,
            sort: Sort::default(),
            interval: Duration::from_secs(1),
            count: None,
            top: None,
            connections: false,
            cumulative: false,
            bytes: false,
            flows: None,
            format: None,
            help: false,
        }
    }
}

/// Reads the arguments after the program's name.
///
/// # Errors
///
/// A sentence that says which argument is wrong.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        let mut value = || {
            inline
                .clone()
                .or_else(|| args.next())
                .ok_or(format!("{name} needs a value"))
        };
        match name.as_str() {
            "-p" | "--pid" => options.pid = Some(number(&name, &value()?)?),
            "-4" => options.version = Some(4),
            "-6" => options.version = Some(6),
            "-s" | "--sort" => options.sort = Sort::of_name(&value()?)?,
            "-i" | "--interval" => options.interval = seconds(&name, &value()?)?,
            "-c" | "--count" => options.count = Some(number(&name, &value()?)?),
            "-n" | "--top" => options.top = Some(number(&name, &value()?)?),
            "-C" | "--connections" => options.connections = true,
            "-t" | "--cumulative" => options.cumulative = true,
            "-b" | "--bytes" => options.bytes = true,
            "--flows" => options.flows = Some(number(&name, &value()?)?),
            "--json" => options.format = Some(Format::Json),
            "--batch" => options.format = Some(Format::Batch),
            "-h" | "--help" => options.help = true,
            _ => return Err(format!("unknown argument `{name}`")),
        }
    }
    Ok(options)
}

fn number<N: std::str::FromStr>(name: &str, text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("{name}: `{text}` is not a whole number"))
}

fn seconds(name: &str, text: &str) -> Result<Duration, String> {
    let duration = text
        .parse()
        .ok()
        .and_then(|s| Duration::try_from_secs_f64(s).ok());
    duration
        .filter(|duration| !duration.is_zero())
        .ok_or(format!("{name}: `{text}` is not a number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Result<Options, String> {
        parse(args.iter().map(|&a| a.to_owned()))
    }

    #[test]
    fn values_stand_after_or_within_the_argument() {
        let options = of(&["--pid=7", "-s", "sent", "--interval", "0.5", "--json"]).unwrap();
        assert_eq!((options.pid, options.sort), (Some(7), Sort::Sent));
        assert_eq!(options.interval, Duration::from_millis(500));
        assert_eq!(options.format, Some(Format::Json));
    }

    #[test]
    fn a_wrong_argument_is_named() {
        assert_eq!(
            of(&["--sort", "x"]).unwrap_err(),
            "--sort: `x` is none of total, sent, received, pid, name"
        );
        assert_eq!(of(&["-i"]).unwrap_err(), "-i needs a value");
        assert_eq!(
            of(&["-i", "0"]).unwrap_err(),
            "-i: `0` is not a number of seconds"
        );
        assert_eq!(of(&["-5"]).unwrap_err(), "unknown argument `-5`");
    }

    #[test]
    fn each_order_has_a_letter_of_its_own() {
        for (sort, name) in Sort::ALL {
            assert_eq!(Sort::of_letter(name.as_bytes()[0]), Some(sort));
            assert_eq!(sort.name(), name);
        }
        assert_eq!(Sort::of_letter(b'x'), None);
    }
}
