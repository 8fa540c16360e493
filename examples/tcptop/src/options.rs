//! Command line.

use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Order of the rows: numbers of bytes from the largest, the others from the smallest.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Sort {
    #[default]
    Total,
    Sent,
    Received,
    Pid,
    Name,
}

impl Sort {
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Returns the order whose name begins with this letter.
    pub(crate) fn of_letter(letter: char) -> Option<Sort> {
        let all = Sort::value_variants().iter().copied();
        all.into_iter().find(|sort| sort.name().starts_with(letter))
    }
}

/// Shows who sends and receives how many bytes over TCP: one row per process and peer.
#[derive(Parser, Debug)]
#[command(
    after_help = "On a terminal, the keys t, s, r, p and n sort by total, sent, received, \
    pid and name; q quits."
)]
pub(crate) struct Options {
    /// Show only this process
    #[arg(short, long)]
    pub(crate) pid: Option<u32>,
    /// Show only IPv4
    #[arg(short = '4', overrides_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Show only IPv6
    #[arg(short = '6', overrides_with = "ipv4")]
    pub(crate) ipv6: bool,
    /// Sort by this column
    #[arg(short, long, value_name = "KEY", value_enum, default_value_t)]
    pub(crate) sort: Sort,
    /// Time between tables
    #[arg(short, long, value_name = "SECS", value_parser = seconds, default_value = "1")]
    pub(crate) interval: Duration,
    /// Stop after this many tables
    #[arg(short, long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Show at most this many rows (default: what the terminal has room for, else all)
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// Show one row per connection, with ports, instead of one per peer
    #[arg(short = 'C', long)]
    pub(crate) connections: bool,
    /// Show bytes since the start instead of those of the last interval
    #[arg(short = 't', long)]
    pub(crate) cumulative: bool,
    /// Print whole numbers instead of 1.2M
    #[arg(short, long)]
    pub(crate) bytes: bool,
    /// Count at most this many connections
    #[arg(long, value_name = "N", default_value = "10240")]
    pub(crate) flows: u32,
    /// Print a JSON object per row
    #[arg(long, overrides_with = "batch")]
    pub(crate) json: bool,
    /// Print tables one below the other (the default unless on a terminal)
    #[arg(long, overrides_with = "json")]
    pub(crate) batch: bool,
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    let duration = Duration::try_from_secs_f64(text.parse()?)?;
    anyhow::ensure!(!duration.is_zero(), "must be more than 0");
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_interval_and_sort() {
        let args = ["tcptop", "-s", "sent", "--interval", "0.5"];
        let options = Options::try_parse_from(args).unwrap();
        assert_eq!(options.sort, Sort::Sent);
        assert_eq!(options.interval, Duration::from_millis(500));
        for args in [
            ["tcptop", "--sort=x"],
            ["tcptop", "-i0"],
            ["tcptop", "-i=x"],
        ] {
            assert!(Options::try_parse_from(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn each_order_has_a_letter_of_its_own() {
        for &sort in Sort::value_variants() {
            let letter = sort.name().chars().next().unwrap();
            assert_eq!(Sort::of_letter(letter), Some(sort));
        }
        assert_eq!(Sort::of_letter('x'), None);
    }
}
