//! Variables and members to which clang gives no type in BTF, so that neither the skeleton nor the
//! kernel has them.

use btf_obj::btf::{Kind, Linkage, Type};

use super::{Spot, Subject, Warning};

pub(super) fn check(subject: &Subject<'_>) -> Vec<Warning> {
    let Some(btf) = subject.object.btf() else {
        return Vec::new();
    };
    let mut warnings = Vec::new();
    for ty in btf.types() {
        let of = |ty: Type<'_>| ty.target().is_some_and(is_untyped);
        match ty.kind() {
            // Extern variables may have any type (`extern const void name __ksym`).
            Kind::VAR if ty.linkage() != Some(Linkage::EXTERN) && of(ty) => {
                let spot = subject.spot_of_variable(ty.name());
                warnings.push(warning(subject, spot, format!("variable `{}`", ty.name())));
            }
            Kind::STRUCT | Kind::UNION => {
                let members = ty.members().iter();
                for member in members.filter(|member| is_untyped(member.ty())) {
                    let place = subject.places().records.get(ty.name());
                    let spot = place.map(|place| Spot::declared(place, &[ty.name()]));
                    let what = match ty.name() {
                        "" => format!("member `{}` of an unnamed type", member.name()),
                        name => format!("member `{}` of `{name}`", member.name()),
                    };
                    warnings.push(warning(subject, spot, what));
                }
            }
            _ => {}
        }
    }
    warnings
}

/// Returns `true` if a type is `void` or an array of `void`.
fn is_untyped(ty: Type<'_>) -> bool {
    let ty = ty.strip();
    match ty.array() {
        Some(array) => is_untyped(array.element),
        None => ty.is_void(),
    }
}

fn warning(subject: &Subject<'_>, spot: Option<Spot>, what: String) -> Warning {
    Warning {
        spot,
        message: format!(
            "clang {} writes no type of {what} to BTF: the skeleton shows nothing of it",
            subject.clang
        ),
        help:
            "BTF has no `_Complex` numbers, and no enums and structs of more than 65,535 entries: \
               use a struct of two numbers, or several enums"
                .to_owned(),
    }
}
