//! The kernel's configuration: where its text is, and what it says of one value.

use std::collections::HashMap;
use std::fs;
use std::io;

use super::gzip;
use crate::error::{Error, ErrorKind, Result};
use crate::sys;

/// A configuration as text, and where it comes from.
pub(super) struct Config {
    pub(super) place: String,
    text: String,
}

impl Config {
    /// What the application gave.
    pub(super) fn given(text: String) -> Config {
        let place = "the configuration given with set_kconfig".to_owned();
        Config { place, text }
    }

    /// That of the running kernel, where libbpf looks for it.
    pub(super) fn running() -> Result<Config> {
        let release = sys::uname().release;
        Config::first_of(&[format!("/boot/config-{release}"), "/proc/config.gz".into()])
    }

    fn first_of(paths: &[String]) -> Result<Config> {
        for path in paths {
            match fs::read(path) {
                Ok(bytes) => return Config::read(path, bytes),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::os(format!("cannot read {path}"), e).hint(HINT)),
            }
        }
        let why = format!(
            "the kernel's configuration is not to be found: there is no {}",
            paths.join(" and no ")
        );
        Err(Error::not_found(why).hint(HINT))
    }

    fn read(path: &str, mut bytes: Vec<u8>) -> Result<Config> {
        if gzip::is_gzip(&bytes) {
            bytes = gzip::unpack(&bytes)
                .map_err(|why| Error::malformed(format!("{path} is no sound gzip file: {why}")))?;
        }
        Ok(Config {
            place: path.to_owned(),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    /// Values by name, the first one of each; what is not set is not there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a line that sets something without a value.
    pub(super) fn values(&self) -> Result<HashMap<&str, &str>> {
        let mut values = HashMap::new();
        for line in self.text.lines().map(str::trim_end) {
            if !line.starts_with("CONFIG_") {
                continue;
            }
            match line.split_once('=') {
                Some((name, value)) if !value.is_empty() => {
                    values.entry(name).or_insert(value);
                }
                _ => {
                    let why = format!("line `{line}` of {} sets no value", self.place);
                    return Err(Error::new(ErrorKind::InvalidInput, why)
                        .hint("write NAME=y, m, n, a number or a \"string\""));
                }
            }
        }
        Ok(values)
    }
}

const HINT: &str =
    "pass the configuration with set_kconfig, as text; /proc/config.gz needs CONFIG_IKCONFIG_PROC";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_counts_and_comments_do_not() {
        let text = "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_B=n\nCONFIG_S=\"x=y\"\r\nOTHER\n";
        let config = Config::given(text.into());
        let values = config.values().unwrap();
        assert_eq!(values.len(), 2);
        assert_eq!((values["CONFIG_B"], values["CONFIG_S"]), ("y", "\"x=y\""));
        for bad in ["CONFIG_A", "CONFIG_A="] {
            let e = Config::given(bad.into()).values().unwrap_err();
            assert_eq!(
                e.to_string(),
                format!(
                    "line `{bad}` of the configuration given with set_kconfig sets no value \
                     (write NAME=y, m, n, a number or a \"string\")"
                )
            );
        }
    }

    #[test]
    fn files_may_be_compressed() {
        let packed = include_bytes!("sample.gz").to_vec();
        let config = Config::read("/proc/config.gz", packed.clone()).unwrap();
        assert_eq!(config.values().unwrap()["CONFIG_OPTION_0"], "y");
        let e = Config::read("/proc/config.gz", packed[..100].to_vec())
            .err()
            .unwrap();
        assert_eq!(
            e.to_string(),
            "/proc/config.gz is no sound gzip file: it is cut off"
        );
    }

    #[test]
    fn a_configuration_that_is_nowhere_says_where_it_was_looked_for() {
        let e = Config::first_of(&["/no/a".into(), "/no/b".into()])
            .err()
            .unwrap();
        assert_eq!(
            e.message(),
            "the kernel's configuration is not to be found: there is no /no/a and no /no/b"
        );
    }
}
