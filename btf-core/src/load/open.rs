//! An object between parsing and loading.

use std::path::PathBuf;
use std::sync::Arc;

use super::entry::{Entry, get, get_mut, put, take};
use super::loaded::LoadedObject;
use super::open_map::OpenMap;
use super::open_program::OpenProgram;
use crate::btf::{Btf, Bytes};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::obj::{DataKind, DataSection, Object, ProgramSpec};
use crate::probe::Features;
use crate::struct_ops::OpenStructOps;
use crate::token::{Token, TokenSource};

/// An opened object: nothing has been asked of the kernel yet.
///
/// ```no_run
/// # fn main() -> btf_core::Result<()> {
/// use btf_core::load::OpenObject;
///
/// let elf = std::fs::read("open.bpf.o").expect("compiled before");
/// let mut open = OpenObject::open("open", &elf)?;
/// open.map_mut("counts")?.set_max_entries(65_536);
/// let loaded = open.load()?;
/// let link = loaded.program("on_open")?.attach()?;
/// # drop(link);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OpenObject {
    pub(super) object: Arc<Object>,
    pub(super) maps: Vec<Entry<OpenMap>>,
    pub(super) programs: Vec<Entry<OpenProgram>>,
    /// Contents of the sections of globals, in the object's order.
    pub(super) data: Vec<Vec<u8>>,
    pub(super) struct_ops: Vec<Entry<OpenStructOps>>,
    pub(super) kernel_btf: Option<Btf>,
    pub(super) kernel_btfs: Option<Bytes>,
    pub(super) prototypes: Option<Btf>,
    pub(super) kconfig: Option<String>,
    pub(super) pin_root: PathBuf,
    pub(super) features: Features,
    pub(super) token: TokenSource,
}

impl OpenObject {
    /// Reads an ELF object; `name` appears in errors and in the names of the maps made for global data.
    ///
    /// # Errors
    ///
    /// Those of [`Object::parse`].
    pub fn open(name: &str, elf: &[u8]) -> Result<OpenObject> {
        Ok(OpenObject::from(Object::parse(name, elf)?))
    }

    /// The object as its file describes it.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Returns a map's settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the object declares no such map.
    pub fn map(&self, name: &str) -> Result<&OpenMap> {
        get(&self.maps, "map", name).context(|| self.what())
    }

    /// Returns a map's settings, to be changed.
    ///
    /// # Errors
    ///
    /// Those of [`OpenObject::map`].
    pub fn map_mut(&mut self, name: &str) -> Result<&mut OpenMap> {
        let what = self.what();
        get_mut(&mut self.maps, "map", name).context(|| what)
    }

    /// Returns a program's settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the object has no such program.
    pub fn program(&self, name: &str) -> Result<&OpenProgram> {
        get(&self.programs, "program", name).context(|| self.what())
    }

    /// Returns a program's settings, to be changed.
    ///
    /// # Errors
    ///
    /// Those of [`OpenObject::program`].
    pub fn program_mut(&mut self, name: &str) -> Result<&mut OpenProgram> {
        let what = self.what();
        get_mut(&mut self.programs, "program", name).context(|| what)
    }

    /// Returns the settings of a struct_ops variable.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the object has no such variable.
    pub fn struct_ops(&self, name: &str) -> Result<&OpenStructOps> {
        get(&self.struct_ops, "struct_ops variable", name).context(|| self.what())
    }

    /// Returns the settings of a struct_ops variable, to be changed.
    ///
    /// # Errors
    ///
    /// Those of [`OpenObject::struct_ops`].
    pub fn struct_ops_mut(&mut self, name: &str) -> Result<&mut OpenStructOps> {
        let what = self.what();
        get_mut(&mut self.struct_ops, "struct_ops variable", name).context(|| what)
    }

    /// Moves a map's settings out, for the field of a skeleton.
    #[doc(hidden)]
    pub fn take_map(&mut self, name: &str) -> Result<OpenMap> {
        let what = self.what();
        take(&mut self.maps, "map", name).context(|| what)
    }

    /// Moves a map's settings back in.
    #[doc(hidden)]
    pub fn put_map(&mut self, map: OpenMap) {
        let name = map.name().to_owned();
        put(&mut self.maps, &name, map);
    }

    /// Moves a program's settings out, for the field of a skeleton.
    #[doc(hidden)]
    pub fn take_program(&mut self, name: &str) -> Result<OpenProgram> {
        let what = self.what();
        take(&mut self.programs, "program", name).context(|| what)
    }

    /// Moves a program's settings back in.
    #[doc(hidden)]
    pub fn put_program(&mut self, program: OpenProgram) {
        let name = program.name().to_owned();
        put(&mut self.programs, &name, program);
    }

    /// Moves the settings of a struct_ops variable out, for the field of a skeleton.
    #[doc(hidden)]
    pub fn take_struct_ops(&mut self, name: &str) -> Result<OpenStructOps> {
        let what = self.what();
        take(&mut self.struct_ops, "struct_ops variable", name).context(|| what)
    }

    /// Moves the settings of a struct_ops variable back in.
    #[doc(hidden)]
    pub fn put_struct_ops(&mut self, ops: OpenStructOps) {
        let name = ops.name().to_owned();
        put(&mut self.struct_ops, &name, ops);
    }

    /// The contents that a section of globals (`.rodata`, `.bss`) will start with.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the object has no such section.
    pub fn data(&self, section: &str) -> Result<&[u8]> {
        Ok(&self.data[self.section(section)?])
    }

    /// Sets the contents that a section of globals will start with; what `bytes` does not reach stays. Up to 15 bytes more
    /// than the section has are taken for padding at the end of a struct.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the object has no such section; [`ErrorKind::InvalidInput`] if it is smaller.
    pub fn set_data(&mut self, section: &str, bytes: &[u8]) -> Result<()> {
        let n = self.section(section)?;
        if self.object.data()[n].kind == DataKind::Kconfig {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("section {section} has values of the kernel's configuration, which loading looks up"),
            )
            .hint("call set_kconfig to have others")
            .context(self.what()));
        }
        let data = &mut self.data[n];
        if bytes.len() > data.len().next_multiple_of(16) {
            let why = format!(
                "section {section} has {} bytes and cannot be set to {}",
                data.len(),
                bytes.len()
            );
            return Err(Error::new(ErrorKind::InvalidInput, why).context(self.what()));
        }
        let len = bytes.len().min(data.len());
        data[..len].copy_from_slice(&bytes[..len]);
        Ok(())
    }

    /// Gives a section of globals this many bytes, by which its last variable, an array, becomes longer or shorter
    /// (libbpf's `bpf_map__set_value_size`). What is added is zeros, until [`OpenObject::set_data`] sets it. Programs see the
    /// size only if they are told: by a constant in `.rodata`, for instance. Declare two elements at least: of an array of one,
    /// clang takes every index for 0.
    ///
    /// A skeleton's struct has as many elements as are declared; [`Mapped::elements`](crate::map::Mapped::elements) has all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the object has no such section; [`ErrorKind::InvalidInput`] if its last variable is no array that
    /// can end there.
    pub fn set_data_size(&mut self, section: &str, size: usize) -> Result<()> {
        let n = self.section(section)?;
        let object = self.object.name().to_owned();
        Arc::make_mut(&mut self.object)
            .resize_data(n, size)
            .context(|| format!("object `{object}`"))?;
        self.data[n].resize(size, 0);
        Ok(())
    }

    /// Relocates against these types instead of the running kernel's. What programs attach to is found in the running
    /// kernel's all the same.
    pub fn set_kernel_btf(&mut self, btf: Btf) {
        self.kernel_btf = Some(btf);
    }

    /// Carries types of kernels along, for where the running kernel has no BTF: an [`Archive`](crate::btf::Archive), as
    /// btf-build leaves it beside the object with `Builder::kernel_btfs`. Skeletons do so by themselves.
    ///
    /// If there is no `/sys/kernel/btf/vmlinux`, CO-RE relocations are carried out against the entry whose name is the
    /// running kernel's release, as `uname -r` tells it, to the letter; if there is none of that name, loading fails and says
    /// which there are. Where the kernel has BTF, or [`OpenObject::set_kernel_btf`] gave some, the archive is not looked at.
    /// Programs that attach by type (fentry, tp_btf, lsm and their like) need a kernel with BTF all the same.
    pub fn set_kernel_btfs(&mut self, archive: impl Into<Bytes>) {
        self.kernel_btfs = Some(archive.into());
    }

    /// Says what prototypes the programs' targets had where the object was built: the types in `NAME.target.btf`, which
    /// btf-build leaves beside the object. Loading compares the running kernel's with them.
    pub fn set_prototypes(&mut self, btf: Btf) {
        self.prototypes = Some(btf);
    }

    /// Gives values of `extern … CONFIG_… __kconfig` as the text of a configuration, `CONFIG_HZ=250` in a line of its own. What
    /// it does not set is looked up in the running kernel's: `/boot/config-RELEASE`, else `/proc/config.gz`.
    pub fn set_kconfig(&mut self, text: impl Into<String>) {
        self.kconfig = Some(text.into());
    }

    /// Sets the folder in a BPF file system where maps are pinned that ask for it by name (`LIBBPF_PIN_BY_NAME`); `/sys/fs/bpf`
    /// else. It is made if it is not there.
    pub fn set_pin_root(&mut self, path: impl Into<PathBuf>) {
        self.pin_root = path.into();
    }

    /// Goes by these answers instead of the running kernel's own to what it can do: to see what becomes of an object on an
    /// older one.
    pub fn set_features(&mut self, features: Features) {
        self.features = features;
    }

    /// Loads with a [token](Token) of the BPF file system that is mounted here, which must delegate what the object needs; with none
    /// if the path is empty. Unless this or [`OpenObject::set_token`] is called, the path is that in the variable
    /// `LIBBPF_BPF_TOKEN_PATH`, else `/sys/fs/bpf` if that delegates something.
    ///
    /// The variable counts as in secure_getenv(3): not in a process with more rights than its
    /// caller (set-user-ID, file capabilities).
    pub fn set_token_path(&mut self, path: impl Into<PathBuf>) {
        self.token = TokenSource::Path(path.into());
    }

    /// Loads with this token.
    pub fn set_token(&mut self, token: &Token) {
        self.token = TokenSource::Given(token.clone());
    }

    fn section(&self, name: &str) -> Result<usize> {
        self.object
            .data()
            .iter()
            .position(|d| d.name == name)
            .ok_or_else(|| {
                Error::not_found(format!("it has no section {name} of global variables"))
                    .context(self.what())
            })
    }

    fn what(&self) -> String {
        format!("object `{}`", self.object.name())
    }

    /// Loads it: relocates, creates maps, and has the verifier look at the programs.
    ///
    /// # Errors
    ///
    /// Naming the program, map or section: [`ErrorKind::Relocation`] for a CO-RE relocation that cannot be carried out,
    /// [`ErrorKind::Verifier`] with the log for a program that the verifier refuses, [`ErrorKind::NotFound`] for an attach
    /// target that this kernel does not have, [`ErrorKind::Prototype`] for one that it has in another form than the program
    /// reads, [`ErrorKind::Permission`], [`ErrorKind::Unsupported`] and [`ErrorKind::Os`] for what
    /// else the kernel refuses, [`ErrorKind::InvalidInput`] for a map or program that was moved out.
    pub fn load(self) -> Result<LoadedObject> {
        self.load_as(Ok)
    }

    /// Loads the object and makes something of it. If that fails, new pins are removed, as they are
    /// if the load fails.
    pub(crate) fn load_as<T>(self, make: impl FnOnce(LoadedObject) -> Result<T>) -> Result<T> {
        let what = self.what();
        let mut loaded = self.load_stages().context(|| what)?;
        let mut new_pins = std::mem::take(&mut loaded.new_pins);
        let made = make(loaded)?;
        new_pins.keep();
        Ok(made)
    }
}

impl From<Object> for OpenObject {
    fn from(object: Object) -> OpenObject {
        let map_entry = |spec: &crate::obj::MapSpec| Entry {
            name: spec.name.clone(),
            item: Some(OpenMap::new(spec.clone())),
        };
        let program_entry = |spec: &ProgramSpec| Entry {
            name: spec.name.clone(),
            item: Some(OpenProgram::new(spec.clone())),
        };
        let ops_entry = |spec: &crate::obj::StructOpsSpec| {
            Some(Entry {
                name: spec.name.clone(),
                item: Some(OpenStructOps::new(spec.clone(), object.btf()?.clone())),
            })
        };
        OpenObject {
            struct_ops: object.struct_ops().iter().filter_map(ops_entry).collect(),
            maps: object.maps().iter().map(map_entry).collect(),
            programs: object.programs().iter().map(program_entry).collect(),
            data: object.data().iter().map(DataSection::contents).collect(),
            kernel_btf: None,
            kernel_btfs: None,
            prototypes: None,
            kconfig: None,
            pin_root: PathBuf::from("/sys/fs/bpf"),
            features: Features::running(),
            token: TokenSource::default(),
            object: Arc::new(object),
        }
    }
}
