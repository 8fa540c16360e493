//! A struct of operations that is yet to be loaded.

use crate::btf::{Btf, Member};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::obj::{StructOpsSpec, is_function_pointer};
use crate::pod::{self, Pod};
use btf_obj::private::{did_you_mean, similar};

/// A struct of operations of an opened object: its members may be set before it is loaded.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// # let elf = std::fs::read("cc.bpf.o").expect("compiled before");
/// let mut open = btf_core::load::OpenObject::open("cc", &elf)?;
/// let ops = open.struct_ops_mut("my_congestion_control")?;
/// ops.set("flags", &2u32)?;
/// ops.set_program("cong_control", None)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OpenStructOps {
    pub(crate) spec: StructOpsSpec,
    pub(super) btf: Btf,
}

impl OpenStructOps {
    pub(crate) fn new(spec: StructOpsSpec, btf: Btf) -> OpenStructOps {
        OpenStructOps { spec, btf }
    }

    /// Returns `true` if a function pointer is set to this program.
    pub(crate) fn uses(&self, program: &str) -> bool {
        self.spec.programs.iter().any(|(_, name)| name == program)
    }

    /// Its name: that of its variable.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The name of its struct, `tcp_congestion_ops` for instance.
    pub fn type_name(&self) -> &str {
        self.btf.ty(self.spec.ty).name()
    }

    /// Whether it is loaded with the object: not in `SEC("?.struct_ops")`.
    pub fn autocreate(&self) -> bool {
        self.spec.autocreate
    }

    /// Sets whether it is loaded with the object, and with it the programs that it alone has.
    pub fn set_autocreate(&mut self, autocreate: bool) {
        self.spec.autocreate = autocreate;
    }

    /// The program that a function pointer is; `None` if it is null.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the struct has no such member; [`ErrorKind::InvalidInput`] if it is no function pointer.
    pub fn program(&self, member: &str) -> Result<Option<&str>> {
        let at = self.function_pointer(member)?;
        let program = self.spec.programs.iter().find(|(offset, _)| *offset == at);
        Ok(program.map(|(_, name)| name.as_str()))
    }

    /// Sets the program, one in `SEC("struct_ops/…")`, that a function pointer is; `None` for null. It is loaded if the struct is,
    /// whatever its own [`autoload`](crate::load::OpenProgram::autoload) says.
    ///
    /// # Errors
    ///
    /// Those of [`OpenStructOps::program`]. Loading says if there is no such program.
    pub fn set_program(&mut self, member: &str, program: Option<&str>) -> Result<()> {
        let at = self.function_pointer(member)?;
        self.spec.programs.retain(|(offset, _)| *offset != at);
        if let Some(program) = program {
            self.spec.programs.push((at, program.to_owned()));
        }
        Ok(())
    }

    /// The value of a member.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the struct has no such member; [`ErrorKind::InvalidInput`] if `T` has another size, or the member
    /// is a bitfield or a pointer.
    pub fn get<T: Pod>(&self, member: &str) -> Result<T> {
        let at = self.value(member, size_of::<T>())?;
        let mut value: T = pod::zeroed();
        pod::bytes_of_mut(&mut value).copy_from_slice(&self.spec.bytes[at..at + size_of::<T>()]);
        Ok(value)
    }

    /// Sets a member.
    ///
    /// # Errors
    ///
    /// Those of [`OpenStructOps::get`].
    pub fn set<T: Pod>(&mut self, member: &str, value: &T) -> Result<()> {
        let at = self.value(member, size_of::<T>())?;
        self.spec.bytes[at..at + size_of::<T>()].copy_from_slice(pod::bytes_of(value));
        Ok(())
    }

    fn what(&self) -> String {
        format!("operations `{}`", self.spec.name)
    }

    fn member(&self, name: &str) -> Result<Member<'_>> {
        let members = self.btf.ty(self.spec.ty).members();
        if let Some(member) = members.iter().find(|m| m.name() == name) {
            return Ok(member);
        }
        let error = Error::not_found(format!(
            "struct {} has no member `{name}`",
            self.type_name()
        ));
        Err(
            match did_you_mean(&similar(name, members.iter().map(Member::name))) {
                Some(hint) => error.hint(hint),
                None => error,
            },
        )
    }

    fn function_pointer(&self, name: &str) -> Result<u32> {
        self.member(name)
            .and_then(|member| match is_function_pointer(member.ty()) {
                true => Ok(member.bit_offset() / 8),
                false => Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!("member `{name}` is no pointer to a function"),
                )),
            })
            .context(|| self.what())
    }

    /// The place of a member that is a plain value of so many bytes.
    fn value(&self, name: &str, size: usize) -> Result<usize> {
        self.member(name)
            .and_then(|member| {
                let ty = member.ty().strip();
                let is_value = member.bitfield_size().is_none() && !is_function_pointer(ty);
                let at = (member.bit_offset() / 8) as usize;
                let fits =
                    ty.byte_size() == Some(size as u64) && at + size <= self.spec.bytes.len();
                match is_value && fits {
                    true => Ok(at),
                    false => Err(Error::new(
                        ErrorKind::InvalidInput,
                        format!("member `{name}` is no plain value of {size} bytes"),
                    )),
                }
            })
            .context(|| self.what())
    }
}
