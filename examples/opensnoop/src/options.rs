//! Command line.

use std::time::Duration;

pub(crate) const USAGE: &str = "\
Usage: opensnoop [OPTIONS]

Shows which process opens which file, with what result and latency.

Options:
  -p, --pid PID         only this process
  -n, --name COMM       only processes of this name (first 15 bytes count)
  -x, --failed          only attempts that failed
  -d, --duration SECS   stop after this time
  -c, --count N         stop after this many events
      --json            one JSON object a line (the default unless on a terminal)
      --table           a table (the default on a terminal)
      --summary         at the end, what each process opened
  -h, --help            this text
";

/// How events are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Table,
    Json,
}

/// What was asked for.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) pid: Option<u32>,
    pub(crate) name: Option<String>,
    pub(crate) failed: bool,
    pub(crate) duration: Option<Duration>,
    pub(crate) count: Option<u64>,
    pub(crate) format: Option<Format>,
    pub(crate) summary: bool,
    pub(crate) help: bool,
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
            "-n" | "--name" => options.name = Some(value()?),
            "-x" | "--failed" => options.failed = true,
            "-d" | "--duration" => {
                let text = value()?;
                let duration = text
                    .parse()
                    .ok()
                    .and_then(|s| Duration::try_from_secs_f64(s).ok());
                options.duration =
                    Some(duration.ok_or(format!("{name}: `{text}` is not a number of seconds"))?);
            }
            "-c" | "--count" => options.count = Some(number(&name, &value()?)?),
            "--json" => options.format = Some(Format::Json),
            "--table" => options.format = Some(Format::Table),
            "--summary" => options.summary = true,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Result<Options, String> {
        parse(args.iter().map(|&a| a.to_owned()))
    }

    #[test]
    fn values_stand_after_or_within_the_argument() {
        let options = of(&["--pid=7", "-n", "cat", "--duration", "0.5", "--json"]).unwrap();
        assert_eq!(
            (options.pid, options.name.as_deref()),
            (Some(7), Some("cat"))
        );
        assert_eq!(options.duration, Some(Duration::from_millis(500)));
        assert_eq!(options.format, Some(Format::Json));
    }

    #[test]
    fn a_wrong_argument_is_named() {
        assert_eq!(
            of(&["--pid", "x"]).unwrap_err(),
            "--pid: `x` is not a whole number"
        );
        assert_eq!(of(&["-d"]).unwrap_err(), "-d needs a value");
        assert_eq!(
            of(&["-d", "-1"]).unwrap_err(),
            "-d: `-1` is not a number of seconds"
        );
        assert_eq!(
            of(&["--frobnicate"]).unwrap_err(),
            "unknown argument `--frobnicate`"
        );
    }
}
