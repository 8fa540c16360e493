//! Variables that start with the addresses of others: loaders fill addresses into code, and leave
//! data as the compiler wrote it.

use btf_obj::obj::RelocTarget;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use super::{Subject, Warning};

/// Begins of the names of sections whose relocations no loader applies.
const OF_DATA: [&str; 3] = [".data", ".rodata", ".bss"];

/// A variable with an address in it.
struct Variable {
    name: String,
    section: String,
    start: u64,
    end: u64,
}

pub(super) fn check(subject: &Subject<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for variable in with_addresses(subject.elf).unwrap_or_default() {
        if is_read(subject, &variable) {
            warnings.push(Warning {
                spot: subject.spot_of_variable(&variable.name),
                message: format!(
                    "variable `{}` is to start with addresses, which no loader fills in: programs find no pointers there",
                    variable.name
                ),
                help: "let it hold what they point to (`char names[][8]` rather than `char *names[]`), or choose by `switch`"
                    .into(),
            });
        }
    }
    warnings
}

/// The variables whose contents are to be relocated, each once.
fn with_addresses(elf: &[u8]) -> object::Result<Vec<Variable>> {
    let file = object::File::parse(elf)?;
    let mut found: Vec<Variable> = Vec::new();
    for section in file.sections() {
        let name = section.name()?;
        if !OF_DATA.iter().any(|begin| name.starts_with(begin)) {
            continue;
        }
        for (at, _) in section.relocations() {
            let holds = |symbol: &object::Symbol<'_, '_>| {
                let start = symbol.address();
                symbol.section_index() == Some(section.index())
                    && (start..start + symbol.size()).contains(&at)
            };
            let Some(symbol) = file.symbols().find(holds) else {
                continue;
            };
            let variable = Variable {
                name: symbol.name()?.to_owned(),
                section: name.to_owned(),
                start: symbol.address(),
                end: symbol.address() + symbol.size(),
            };
            if found.iter().all(|other| other.name != variable.name) {
                found.push(variable);
            }
        }
    }
    Ok(found)
}

/// Whether code takes the variable's address: what only the compiler looked at may hold anything.
fn is_read(subject: &Subject<'_>, variable: &Variable) -> bool {
    let object = subject.object;
    object.functions().iter().any(|function| {
        function.relocs.iter().any(|reloc| {
            let RelocTarget::Data { section, offset } = reloc.target else {
                return false;
            };
            let added = function.insns.get(reloc.insn).map_or(0, |insn| insn.imm);
            let at = i64::from(offset) + i64::from(added);
            object.data()[section].name == variable.section
                && u64::try_from(at).is_ok_and(|at| (variable.start..variable.end).contains(&at))
        })
    })
}
