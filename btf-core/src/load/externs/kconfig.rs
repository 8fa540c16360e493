//! Contents of `.kconfig`: values of the kernel's configuration, and those that only look like it.

use super::config::Config;
use super::{Extern, value};
use crate::error::{Error, Result};
use crate::obj::{ConfigExtern, ExternKind};
use crate::probe::{self, Features};
use crate::sys;
use btf_obj::private::{did_you_mean, similar};

/// Looks up all configuration values. What no program refers to is a warning at most, and 0.
///
/// # Errors
///
/// Naming the extern that is not set, or not to what its type takes.
pub(super) fn fill(
    externs: &[Extern<'_>],
    given: Option<String>,
    features: &Features,
    warnings: &mut Vec<String>,
) -> Result<Vec<u8>> {
    let places = || {
        externs.iter().filter_map(|ext| match ext.spec.kind {
            ExternKind::Config(place) => Some((*ext, place)),
            _ => None,
        })
    };
    let size = places().map(|(_, place)| place.offset + place.size).max();
    let mut bytes = vec![0; size.unwrap_or(0)];
    let mut open = Vec::new();
    for (ext, place) in places() {
        if ext.spec.name.starts_with("CONFIG_") {
            open.push((ext, place));
        } else if let Err(e) = virtual_value(ext, place, features, &mut bytes)
            && ext.user.is_some()
        {
            return Err(e.context(ext.what()));
        }
    }
    if let (Some(text), false) = (given, open.is_empty()) {
        take(&Config::given(text), &mut open, &mut bytes, warnings)?;
    }
    if open.is_empty() {
        return Ok(bytes);
    }
    let running = match Config::running() {
        Ok(running) => running,
        Err(e) => {
            if let Some((needed, _)) = open.iter().find(|(ext, _)| ext.is_needed()) {
                return Err(e.context(needed.what()));
            }
            warnings.push(format!("configuration values are taken as not set: {e}"));
            return Ok(bytes);
        }
    };
    take(&running, &mut open, &mut bytes, warnings)?;
    match open.iter().find(|(ext, _)| ext.is_needed()) {
        Some((ext, _)) => Err(not_set(&ext.spec.name, &running)?.context(ext.what())),
        None => Ok(bytes),
    }
}

/// Sets what a configuration sets, and leaves the rest in `open`.
fn take(
    config: &Config,
    open: &mut Vec<(Extern<'_>, ConfigExtern)>,
    bytes: &mut [u8],
    warnings: &mut Vec<String>,
) -> Result<()> {
    let values = config.values()?;
    let mut left = Vec::new();
    for (ext, place) in open.drain(..) {
        let Some(text) = values.get(ext.spec.name.as_str()) else {
            left.push((ext, place));
            continue;
        };
        let bytes = &mut bytes[place.offset..place.offset + place.size];
        let what = || format!("{} ({})", ext.what(), value::type_name(place));
        match value::write(text, place, bytes) {
            Ok(None) => {}
            Ok(Some(cut)) => warnings.push(format!("{}: {cut}", what())),
            Err(e) => {
                let e = e.context(config.place.clone()).context(what());
                if ext.user.is_some() {
                    return Err(e);
                }
                warnings.push(e.to_string());
            }
        }
    }
    *open = left;
    Ok(())
}

/// Values that are in no configuration.
fn virtual_value(
    ext: Extern<'_>,
    place: ConfigExtern,
    features: &Features,
    bytes: &mut [u8],
) -> Result<()> {
    const KNOWN: [&str; 3] = [
        "LINUX_KERNEL_VERSION",
        "LINUX_HAS_BPF_COOKIE",
        "LINUX_HAS_SYSCALL_WRAPPER",
    ];
    let number = match ext.spec.name.as_str() {
        "LINUX_KERNEL_VERSION" => sys::kernel_version().code().into(),
        "LINUX_HAS_BPF_COOKIE" => features.knows(&probe::BPF_COOKIE).into(),
        "LINUX_HAS_SYSCALL_WRAPPER" => features.knows(&probe::SYSCALL_WRAPPER).into(),
        name if name.starts_with("LINUX_") && ext.spec.weak => 0,
        name => {
            let why = "it is neither of the kernel's configuration nor known to this version";
            let hint = did_you_mean(&similar(name, KNOWN.into_iter())).unwrap_or_else(|| {
                format!("names start with CONFIG_, or are {}", KNOWN.join(", "))
            });
            return Err(Error::not_found(why).hint(hint));
        }
    };
    let bytes = &mut bytes[place.offset..place.offset + place.size];
    value::number(number, place, bytes)
        .map_err(|e| e.context(format!("as {}", value::type_name(place))))
}

fn not_set(name: &str, config: &Config) -> Result<Error> {
    let values = config.values()?;
    // What all names begin with would make any two alike.
    const PREFIX: &str = "CONFIG_";
    let others = values.keys().filter_map(|name| name.strip_prefix(PREFIX));
    let near = similar(name.strip_prefix(PREFIX).unwrap_or(name), others);
    let near: Vec<String> = near.iter().map(|n| format!("{PREFIX}{n}")).collect();
    let weak = "declare it `__weak` to have 0 where it is not set";
    let hint = match did_you_mean(&near) {
        Some(near) => format!("{near} If not, {weak}"),
        None => weak.to_owned(),
    };
    Ok(Error::not_found(format!("it is not set in {}", config.place)).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obj::{ConfigForm, ExternSpec};

    fn spec(name: &str, weak: bool, offset: usize) -> ExternSpec {
        let form = ConfigForm::Int { signed: true };
        ExternSpec {
            name: name.into(),
            weak,
            section: ".kconfig".into(),
            btf_id: None,
            kind: ExternKind::Config(ConfigExtern {
                form,
                offset,
                size: 4,
            }),
        }
    }

    fn filled(
        specs: &[ExternSpec],
        user: Option<&str>,
        given: &str,
    ) -> Result<(Vec<u8>, Vec<String>)> {
        let externs: Vec<_> = specs.iter().map(|spec| Extern { spec, user }).collect();
        let mut warnings = Vec::new();
        Ok((
            fill(
                &externs,
                Some(given.into()),
                &Features::running(),
                &mut warnings,
            )?,
            warnings,
        ))
    }

    #[test]
    fn a_configuration_that_sets_everything_is_all_that_is_read() {
        let specs = [
            spec("CONFIG_A", false, 0),
            spec("CONFIG_B", true, 4),
            spec("LINUX_HAS_X", true, 8),
        ];
        let (bytes, warnings) = filled(&specs, Some("p"), "CONFIG_B=2\nCONFIG_A=1\n").unwrap();
        let words: Vec<i32> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|w| i32::from_ne_bytes(*w))
            .collect();
        assert_eq!(words, [1, 2, 0]);
        assert!(warnings.is_empty());
    }

    #[test]
    fn what_no_program_needs_is_a_warning() {
        let specs = [spec("CONFIG_A", false, 0)];
        let what = "the configuration given with set_kconfig: it is y, an answer (declare it as bool, \
                    enum libbpf_tristate or char)";
        let (_, warnings) = filled(&specs, None, "CONFIG_A=y\n").unwrap();
        assert_eq!(
            warnings,
            [format!(
                "extern `CONFIG_A` (signed integer of 4 bytes): {what}"
            )]
        );
        let e = filled(&specs, Some("p"), "CONFIG_A=y\n").unwrap_err();
        assert_eq!(
            e.to_string(),
            format!("program `p`: extern `CONFIG_A` (signed integer of 4 bytes): {what}")
        );
    }

    #[test]
    fn names_that_stand_for_nothing_are_named() {
        let specs = [spec("LINUX_KERNEL_VERSON", false, 0)];
        assert!(filled(&specs, None, "").is_ok());
        assert_eq!(
            filled(&specs, Some("p"), "").unwrap_err().to_string(),
            "program `p`: extern `LINUX_KERNEL_VERSON`: it is neither of the kernel's configuration nor known to this \
             version (did you mean `LINUX_KERNEL_VERSION`?)"
        );
    }
    #[test]
    fn what_is_not_set_may_be_misspelled_or_weak() {
        let config = Config::given("CONFIG_NET_CORE=y\nCONFIG_BPF_SYSCALL=y\n".into());
        let hint = |name| not_set(name, &config).unwrap().to_string();
        let weak = "declare it `__weak` to have 0 where it is not set";
        let misspelled = hint("CONFIG_BPF_SYSCAL");
        assert!(
            misspelled.ends_with(&format!(
                "(did you mean `CONFIG_BPF_SYSCALL`? If not, {weak})"
            )),
            "{misspelled}"
        );
        // Alike in nothing but the prefix.
        let unlike = hint("CONFIG_NOT_THERE");
        assert!(unlike.ends_with(&format!("({weak})")), "{unlike}");
    }
}
