//! Command line.

use std::path::PathBuf;
use std::time::Duration;

use btf_core::attach::XdpMode;
use clap::{Parser, ValueEnum};

use crate::prefix::Prefix;

/// Counts packets by protocol as a network device receives them, and drops those that come from a
/// block list.
#[derive(Parser, Debug)]
#[command(after_help = "Numbers are since the start. The program leaves nothing on the device.")]
pub(crate) struct Options {
    /// The network device
    pub(crate) device: String,
    /// Drop what comes from here: 10.0.0.0/8, 2001:db8::/32, an address; may be repeated
    #[arg(short, long, value_name = "PREFIX")]
    pub(crate) block: Vec<Prefix>,
    /// Drop what comes from the prefix in each line of a file; # starts a comment
    #[arg(short, long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Where the program runs: in the driver (native), on any device (skb), or the better of both
    #[arg(short, long, value_enum, default_value = "auto")]
    pub(crate) mode: Mode,
    /// Count what would be dropped, and let it pass
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Time between tables
    #[arg(short, long, value_name = "SECS", value_parser = seconds, default_value = "1")]
    pub(crate) interval: Duration,
    /// Stop after this many tables
    #[arg(short, long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Print a JSON object per table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Mode {
    Auto,
    Native,
    Skb,
}

impl From<Mode> for XdpMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Auto => XdpMode::Auto,
            Mode::Native => XdpMode::Driver,
            Mode::Skb => XdpMode::Skb,
        }
    }
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    let duration = Duration::try_from_secs_f64(text.parse()?)?;
    anyhow::ensure!(!duration.is_zero(), "must be more than 0");
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, String> {
        let args = ["xdp-drop"].iter().chain(args);
        Options::try_parse_from(args).map_err(|e| e.to_string())
    }

    #[test]
    fn parses_prefixes_and_mode() {
        let options = parse(&["-b", "10.0.0.0/8", "--block=::1", "eth0", "-m", "skb"]).unwrap();
        assert_eq!((options.device.as_str(), options.mode), ("eth0", Mode::Skb));
        let block: Vec<String> = options.block.iter().map(Prefix::to_string).collect();
        assert_eq!(block, ["10.0.0.0/8", "::1/128"]);
    }

    #[test]
    fn names_a_wrong_argument() {
        for (args, part) in [
            (&[] as &[&str], "<DEVICE>"),
            (&["a", "-m", "fast"], "[possible values: auto, native, skb]"),
            (&["a", "-i", "0"], "must be more than 0"),
            (
                &["a", "-b", "10.0.0.0/33"],
                "a prefix of an IPv4 address has 0 to 32 bits",
            ),
        ] {
            let error = parse(args).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
