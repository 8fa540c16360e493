//! What the CO-RE relocations of an object come to on kernels: before any of them is booted.

use std::fmt::Write as _;

use btf_core::obj::Outcome as Answer;
use btf_core::relo::Targets;

use crate::{Outcome, Result, source};

/// A line for each relocation without a value, whose instruction must not be reached, and a count
/// for each kernel. A question whether something exists is answered with 0 where it does not.
pub(crate) fn run(file: &str, kernels: &[&str]) -> Result<Outcome> {
    let object = source::object(file)?;
    let (mut text, mut is_fine) = (String::new(), true);
    for kernel in kernels {
        let btf = source::btf(kernel)?;
        let targets = Targets::new(&btf);
        let report = object.report(object.programs(), &targets);
        let findings = report.map_err(|e| format!("{kernel}: {e}"))?;
        let (mut values, mut absent, mut refused) = (0, 0, 0);
        for finding in &findings {
            match finding.outcome {
                Answer::Value(_) => values += 1,
                Answer::Absent(_) => absent += 1,
                Answer::Poisoned(_) | Answer::Failed(_) => {
                    refused += 1;
                    let _ = writeln!(text, "{kernel}: {finding}"); // Writing to a String cannot fail.
                }
            }
        }
        is_fine &= refused == 0;
        let _ = writeln!(
            text,
            "{kernel}: {} relocations, {values} with a value, {absent} answered with 0, {refused} with none",
            findings.len()
        );
    }
    Ok(Outcome { text, is_fine })
}
