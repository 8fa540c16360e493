//! Section names that say nothing to any loader: typing errors, mostly.

use btf_obj::btf::Kind;

use super::{Subject, Warning};

/// Sections of variables besides those of data that loaders know.
const OF_VARIABLES: [&str; 7] = [
    ".maps",
    "license",
    "version",
    ".kconfig",
    ".ksyms",
    ".export",
    ".struct_ops",
];

/// Sections of variables that other loaders read from the object file, and libbpf skips: libxdp's
/// and bpfman's.
const OF_OTHERS: [&str; 3] = ["xdp_metadata", "tc_metadata", ".xdp_run_config"];

/// Begins of the names of sections of data.
const OF_DATA: [&str; 5] = [".data", ".rodata", ".bss", ".struct_ops.", ".addr_space."];

pub(super) fn check(subject: &Subject<'_>) -> Vec<Warning> {
    let mut warnings = programs(subject);
    warnings.extend(variables(subject));
    warnings
}

fn programs(subject: &Subject<'_>) -> Vec<Warning> {
    let unknown = subject.object.programs().iter().filter_map(|program| {
        let why = program.unknown_section()?;
        Some(Warning {
            spot: subject.spot_of(program),
            message: format!(
                "program `{}` will not be loaded: {}",
                program.name, why.message
            ),
            help: why.help,
        })
    });
    unknown.collect()
}

fn variables(subject: &Subject<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let types = subject.object.btf().into_iter().flat_map(|btf| btf.types());
    for section in types.filter(|ty| ty.kind() == Kind::DATASEC) {
        let name = section.name().trim_start_matches('?');
        let is_read = OF_VARIABLES.contains(&name) || OF_OTHERS.contains(&name);
        if is_read || OF_DATA.iter().any(|begin| name.starts_with(begin)) {
            continue;
        }
        let Some(variable) = section.variables().iter().next() else {
            continue;
        };
        // `.dta.counts` was meant to begin with `.data`.
        let end = name
            .char_indices()
            .skip(1)
            .find(|(_, c)| *c == '.')
            .map_or(name.len(), |(dot, _)| dot);
        let near = near_name(&name[..end]);
        warnings.push(Warning {
            spot: subject.spot_of_variable(variable.name()),
            message: format!(
                "variable `{}` will not be there: SEC(\"{name}\") is not a section that is known",
                variable.name()
            ),
            help: match near {
                Some(near) => format!("did you mean `{near}{}`?", &name[end..]),
                None => format!(
                    "variables with a map of their own are in SEC(\".data.{name}\"), constants in SEC(\".rodata.{name}\")"
                ),
            },
        });
    }
    warnings
}

/// The known name that this may have been meant to be, a dot at the start or not.
fn near_name(name: &str) -> Option<&'static str> {
    let core = |name: &str| name.trim_start_matches('.').to_ascii_lowercase();
    let mut known = OF_VARIABLES.iter().chain(&OF_DATA[..3]).copied();
    known.find(|known| is_near(&core(known), &core(name)))
}

/// Whether two names differ by one letter too many, too few or other, or by two that are swapped.
fn is_near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    match (a, b) {
        ([x, y], [v, w]) => x == w && y == v,
        (a, b) => a.len() <= 1 && b.len() <= 1,
    }
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn one_edit_is_near() {
        assert!(is_near("license", "licence"));
        assert!(is_near("maps", "map"));
        assert!(!is_near("license", "lisence"));
        assert!(is_near("rodata", "rdoata"));
        assert!(is_near("maps", "maps"));
        assert!(!is_near("data", "version"));
    }
}
