//! Command line.

use std::time::Duration;

use clap::Parser;

/// How events are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Table,
    Json,
}

/// Shows which process opens which file, with what result and latency.
#[derive(Parser, Debug)]
pub(crate) struct Options {
    /// Show only this process
    #[arg(short, long)]
    pub(crate) pid: Option<u32>,
    /// Show only processes of this name (the first 15 bytes count)
    #[arg(short, long, value_name = "COMM")]
    pub(crate) name: Option<String>,
    /// Show only attempts that failed
    #[arg(short = 'x', long)]
    pub(crate) failed: bool,
    /// Stop after this time
    #[arg(short, long, value_name = "SECS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
    /// Stop after this many events
    #[arg(short, long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Print a JSON object per line (the default unless on a terminal)
    #[arg(long, overrides_with = "table")]
    json: bool,
    /// Print a table (the default on a terminal)
    #[arg(long, overrides_with = "json")]
    table: bool,
    /// At the end, print how many files each process opened
    #[arg(long)]
    pub(crate) summary: bool,
}

impl Options {
    /// Returns the format that was asked for, or the default one.
    pub(crate) fn format(&self, is_terminal: bool) -> Format {
        match self.table || is_terminal && !self.json {
            true => Format::Table,
            false => Format::Json,
        }
    }
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_format_wins() {
        let format = |args: &[&str], is_terminal| {
            let args = ["opensnoop"].iter().chain(args);
            Options::try_parse_from(args).unwrap().format(is_terminal)
        };
        assert_eq!(format(&[], true), Format::Table);
        assert_eq!(format(&[], false), Format::Json);
        assert_eq!(format(&["--json"], true), Format::Json);
        assert_eq!(format(&["--json", "--table"], false), Format::Table);
    }

    #[test]
    fn parses_seconds() {
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        assert!(seconds("-1").is_err());
        assert!(seconds("x").is_err());
    }
}
