//! Command line.

use std::time::Duration;

use btf_core::attach::XdpMode;

use crate::prefix::Prefix;

pub(crate) const USAGE: &str = "\
Usage: xdp-drop [OPTIONS] DEVICE

Counts packets by protocol as a network device receives them, and drops those that come from a block list.

Options:
  -b, --block PREFIX    drop what comes from here: 10.0.0.0/8, 2001:db8::/32, an address; may be given several times
  -f, --file FILE       the same for each line of a file; what follows a # is no prefix
  -m, --mode MODE       where it runs: native (in the driver), skb (on any device), auto (the better one there is)
      --dry-run         count what would be dropped, and let it pass
  -i, --interval SECS   time from table to table (1)
  -c, --count N         stop after this many tables
      --json            one JSON object a table
  -h, --help            this text

Numbers are since the start. The device is as before when the program ends.
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) device: String,
    pub(crate) block: Vec<Prefix>,
    pub(crate) files: Vec<String>,
    pub(crate) mode: XdpMode,
    pub(crate) dry_run: bool,
    pub(crate) interval: Duration,
    pub(crate) count: Option<u64>,
    pub(crate) json: bool,
    pub(crate) help: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            device: String::new(),
            block: Vec::new(),
            files: Vec::new(),
            mode: XdpMode::default(),
            dry_run: false,
            interval: Duration::from_secs(1),
            count: None,
            json: false,
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
            "-b" | "--block" => {
                let prefix = value()?.parse();
                options
                    .block
                    .push(prefix.map_err(|e| format!("{name}: {e}"))?);
            }
            "-f" | "--file" => options.files.push(value()?),
            "-m" | "--mode" => options.mode = mode(&value()?)?,
            "--dry-run" => options.dry_run = true,
            "-i" | "--interval" => options.interval = seconds(&name, &value()?)?,
            "-c" | "--count" => {
                let text = value()?;
                let count = text.parse().ok();
                options.count =
                    Some(count.ok_or(format!("{name}: `{text}` is not a whole number"))?);
            }
            "--json" => options.json = true,
            "-h" | "--help" => options.help = true,
            _ if name.starts_with('-') => return Err(format!("unknown argument `{name}`")),
            _ if options.device.is_empty() => options.device = name,
            _ => {
                let device = &options.device;
                return Err(format!(
                    "two devices, `{device}` and `{name}`; run it for each"
                ));
            }
        }
    }
    match options.device.is_empty() && !options.help {
        true => Err("which network device?".to_owned()),
        false => Ok(options),
    }
}

fn mode(text: &str) -> Result<XdpMode, String> {
    match text {
        "auto" => Ok(XdpMode::Auto),
        "native" => Ok(XdpMode::Driver),
        "skb" => Ok(XdpMode::Skb),
        _ => Err(format!("--mode: `{text}` is none of auto, native, skb")),
    }
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
        let options = of(&["-b", "10.0.0.0/8", "--block=::1", "eth0", "-m", "skb"]).unwrap();
        assert_eq!(
            (options.device.as_str(), options.mode),
            ("eth0", XdpMode::Skb)
        );
        let block: Vec<String> = options.block.iter().map(Prefix::to_string).collect();
        assert_eq!(block, ["10.0.0.0/8", "::1/128"]);
    }

    #[test]
    fn a_wrong_argument_is_named() {
        assert_eq!(of(&[]).unwrap_err(), "which network device?");
        assert_eq!(
            of(&["a", "b"]).unwrap_err(),
            "two devices, `a` and `b`; run it for each"
        );
        assert_eq!(
            of(&["a", "-m", "fast"]).unwrap_err(),
            "--mode: `fast` is none of auto, native, skb"
        );
        assert_eq!(
            of(&["a", "-b", "10.0.0.0/33"]).unwrap_err(),
            "-b: `10.0.0.0/33`: a prefix of an IPv4 address has 0 to 32 bits"
        );
        assert_eq!(of(&["-x"]).unwrap_err(), "unknown argument `-x`");
    }
}
