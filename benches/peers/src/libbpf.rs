//! libbpf's side: an object opened, relocated and loaded by it.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Mutex;

use libbpf_sys as sys;

/// What libbpf said since the last load.
static SAID: Mutex<String> = Mutex::new(String::new());

/// An object of libbpf's.
pub(crate) struct Object(NonNull<sys::bpf_object>);

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: it is open, and nobody uses it after this.
        unsafe { sys::bpf_object__close(self.0.as_ptr()) }
    }
}

impl Object {
    /// Opens an object that is to be relocated against the types of `btf`, or against those of the running kernel.
    pub(crate) fn open(elf: &Path, btf: Option<&Path>) -> Result<Object, String> {
        let c_path = |path: &Path| CString::new(path.as_os_str().as_encoded_bytes());
        let nul = |_| "a path with a NUL in it".to_owned();
        let btf = btf.map(c_path).transpose().map_err(nul)?;
        let elf = c_path(elf).map_err(nul)?;
        let opts = sys::bpf_object_open_opts {
            sz: size_of::<sys::bpf_object_open_opts>() as sys::size_t,
            btf_custom_path: btf.as_ref().map_or(std::ptr::null(), |path| path.as_ptr()),
            ..Default::default()
        };
        said().clear();
        // SAFETY: a plain function is set.
        unsafe { sys::libbpf_set_print(Some(listen)) };
        // SAFETY: both paths end with NUL, and the options live as long as the call.
        let object = unsafe { sys::bpf_object__open_file(elf.as_ptr(), &raw const opts) };
        NonNull::new(object).map(Object).ok_or_else(failure)
    }

    /// All its programs, those that load only when asked for included.
    pub(crate) fn programs(&self) -> Vec<Program> {
        let mut programs = Vec::new();
        let mut last = std::ptr::null_mut();
        loop {
            // SAFETY: the object is open, and `last` is null or one of its programs.
            last = unsafe { sys::bpf_object__next_program(self.0.as_ptr(), last) };
            let Some(program) = NonNull::new(last) else {
                return programs;
            };
            programs.push(Program(program));
        }
    }

    /// The names of its maps, by the descriptors that instructions hold.
    pub(crate) fn maps(&self) -> HashMap<c_int, String> {
        let maps = self.each_map().map(|map| {
            // SAFETY: it is a map of an open object.
            let fd = unsafe { sys::bpf_map__fd(map) };
            // SAFETY: as above.
            let name = unsafe { sys::bpf_map__name(map) };
            // SAFETY: the name ends with NUL and is the map's.
            let name = unsafe { CStr::from_ptr(name) };
            (fd, name.to_string_lossy().into_owned())
        });
        maps.collect()
    }

    /// Keeps from its maps what needs a kernel: no place to be pinned at, and no struct_ops, which libbpf does not make of
    /// programs that are [without their section](Program::forget_section).
    #[allow(dead_code, reason = "only `peers` answers in the kernel's place")]
    pub(crate) fn forget_places(&self) {
        for map in self.each_map() {
            // SAFETY: it is a map of an open object. Null takes the path away.
            unsafe { sys::bpf_map__set_pin_path(map, std::ptr::null()) };
            // SAFETY: as above.
            if unsafe { sys::bpf_map__type(map) } == sys::BPF_MAP_TYPE_STRUCT_OPS {
                // SAFETY: as above. It cannot fail before the load.
                unsafe { sys::bpf_map__set_autocreate(map, false) };
            }
        }
    }

    pub(crate) fn each_map(&self) -> impl Iterator<Item = *mut sys::bpf_map> {
        let next = |last: *const sys::bpf_map| {
            // SAFETY: the object is open, and `last` is null or one of its maps.
            let next = unsafe { sys::bpf_object__next_map(self.0.as_ptr(), last) };
            (!next.is_null()).then_some(next)
        };
        std::iter::successors(next(std::ptr::null()), move |last| next(*last))
    }

    /// Everything up to the point where the programs would be loaded.
    #[allow(dead_code, reason = "only the bench stops there")]
    pub(crate) fn prepare(&self) -> Result<(), String> {
        // SAFETY: the object is open.
        match unsafe { sys::bpf_object__prepare(self.0.as_ptr()) } {
            0 => Ok(()),
            _ => Err(failure()),
        }
    }

    pub(crate) fn load(&self) -> Result<(), String> {
        // SAFETY: the object is open.
        match unsafe { sys::bpf_object__load(self.0.as_ptr()) } {
            0 => Ok(()),
            _ => Err(failure()),
        }
    }
}

/// A program of an open object; not to be used after it.
#[derive(Clone, Copy)]
pub(crate) struct Program(NonNull<sys::bpf_program>);

impl Program {
    pub(crate) fn name(self) -> String {
        // SAFETY: the object is open.
        let name = unsafe { sys::bpf_program__name(self.0.as_ptr()) };
        // SAFETY: the name ends with NUL and is the program's.
        let name = unsafe { CStr::from_ptr(name) };
        name.to_string_lossy().into_owned()
    }

    #[allow(dead_code, reason = "only `load` asks")]
    pub(crate) fn is_loaded(self) -> bool {
        // SAFETY: the object is open.
        unsafe { sys::bpf_program__fd(self.0.as_ptr()) >= 0 }
    }

    pub(crate) fn set_autoload(self, autoload: bool) {
        // SAFETY: the object is open. It cannot fail before the load.
        unsafe { sys::bpf_program__set_autoload(self.0.as_ptr(), autoload) };
    }

    /// Makes it a socket filter, whose load asks for nothing else than instructions: no attach target is looked for in the
    /// kernel that this happens to run on.
    pub(crate) fn forget_section(self) {
        // SAFETY: the object is open. It cannot fail before the load.
        unsafe { sys::bpf_program__set_type(self.0.as_ptr(), sys::BPF_PROG_TYPE_SOCKET_FILTER) };
    }

    /// Its instructions as they are now, by where they lie and as bytes.
    pub(crate) fn insns(self) -> (usize, Vec<[u8; 8]>) {
        // SAFETY: the object is open.
        let start = unsafe { sys::bpf_program__insns(self.0.as_ptr()) };
        // SAFETY: as above.
        let count = unsafe { sys::bpf_program__insn_cnt(self.0.as_ptr()) } as usize;
        if start.is_null() {
            return (0, Vec::new());
        }
        // SAFETY: libbpf has so many instructions of eight bytes there, and does not change them meanwhile.
        let insns = unsafe { std::slice::from_raw_parts(start.cast::<[u8; 8]>(), count) };
        (start as usize, insns.to_vec())
    }
}

/// Links objects into a new one.
#[allow(dead_code, reason = "only `load` links")]
pub(crate) fn link(linked: &Path, objects: &[&str]) -> Result<(), String> {
    let c_string = |text: &[u8]| CString::new(text).map_err(|_| "a path with a NUL in it");
    let linked = c_string(linked.as_os_str().as_encoded_bytes())?;
    said().clear();
    // SAFETY: a plain function is set.
    unsafe { sys::libbpf_set_print(Some(listen)) };
    // SAFETY: the path ends with NUL; there are no options.
    let linker = unsafe { sys::bpf_linker__new(linked.as_ptr(), std::ptr::null_mut()) };
    let linker = NonNull::new(linker).ok_or_else(failure)?;
    let mut done = Ok(());
    for object in objects {
        let object = c_string(object.as_bytes())?;
        // SAFETY: the linker is open, the path ends with NUL, and there are no options.
        let status = unsafe {
            sys::bpf_linker__add_file(linker.as_ptr(), object.as_ptr(), std::ptr::null())
        };
        if status != 0 && done.is_ok() {
            done = Err(failure());
        }
    }
    // SAFETY: the linker is open.
    if done.is_ok() && unsafe { sys::bpf_linker__finalize(linker.as_ptr()) } != 0 {
        done = Err(failure());
    }
    // SAFETY: it is open, and nobody uses it after this.
    unsafe { sys::bpf_linker__free(linker.as_ptr()) };
    done
}

/// The version that is linked in.
pub(crate) fn version() -> String {
    // SAFETY: it only returns what it has.
    let text = unsafe { sys::libbpf_version_string() };
    // SAFETY: it is a constant string that ends with NUL.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().trim_start_matches('v').to_owned()
}

fn said() -> std::sync::MutexGuard<'static, String> {
    SAID.lock().unwrap_or_else(|e| e.into_inner())
}

/// The first thing that libbpf complained about.
pub(crate) fn failure() -> String {
    let error = std::io::Error::last_os_error();
    let said = said();
    match said.lines().find(|line| !line.trim().is_empty()) {
        Some(line) => line.trim_start_matches("libbpf: ").to_owned(),
        None => error.to_string(),
    }
}

unsafe extern "C" {
    fn vsnprintf(
        buffer: *mut c_char,
        size: usize,
        format: *const c_char,
        args: *mut sys::__va_list_tag,
    ) -> c_int;
}

/// Keeps warnings for the error that follows.
unsafe extern "C" fn listen(
    level: sys::libbpf_print_level,
    format: *const c_char,
    args: *mut sys::__va_list_tag,
) -> c_int {
    if level != sys::LIBBPF_WARN {
        return 0;
    }
    let mut text = [0u8; 1024];
    // SAFETY: the buffer has the size that is given; format and arguments are libbpf's own and fit each other.
    unsafe { vsnprintf(text.as_mut_ptr().cast(), text.len(), format, args) };
    if let Ok(text) = CStr::from_bytes_until_nul(&text) {
        said().push_str(&text.to_string_lossy());
    }
    0
}
