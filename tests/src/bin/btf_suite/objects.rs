//! Objects that the C program has opened here: it sees them as libbpf's skeletons.
#![allow(unsafe_code)] // Views global variables as cells and constants; the proofs are at the types.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use btf_core::btf::Btf;
use btf_core::link::Link;
use btf_core::load::{LoadedObject, OpenObject};
use btf_core::map::{Elements, Global, Mapped, Section};

use crate::Result;
use crate::channel::Question;

/// Variables as cells of `T`, as many as there are whole ones.
struct Cells<T>([Global<T>; 0]);

// SAFETY: any bytes are an integer, and all of them lie in a `Global`.
unsafe impl Section for Cells<u8> {
    const SHARED: bool = true;
}

// SAFETY: as above.
unsafe impl Section for Cells<u64> {
    const SHARED: bool = true;
}

// SAFETY: it begins where the section does, whose memory is aligned to a page.
unsafe impl Elements for Cells<u8> {
    type Element = Global<u8>;
    const OFFSET: usize = 0;
}

// SAFETY: as above.
unsafe impl Elements for Cells<u64> {
    type Element = Global<u64>;
    const OFFSET: usize = 0;
}

/// Constants as bytes.
struct Constants([u8; 0]);

// SAFETY: any bytes are a `u8`.
unsafe impl Section for Constants {
    const SHARED: bool = false;
}

// SAFETY: it begins where the section does; any bytes are a `u8`.
unsafe impl Elements for Constants {
    type Element = u8;
    const OFFSET: usize = 0;
}

/// A section of a loaded object: its words, and all its bytes for those at the end that fill no
/// word.
enum Data {
    Variables(Mapped<Cells<u64>>, Mapped<Cells<u8>>),
    Constants(Mapped<Constants>),
}

impl Data {
    fn of(object: &mut LoadedObject, section: &str) -> Result<Data> {
        if section.starts_with(".rodata") || section == ".kconfig" {
            return Ok(Data::Constants(object.data(section).map_err(text)?));
        }
        let words = object.data(section).map_err(text)?;
        let bytes = object.data(section).map_err(text)?;
        Ok(Data::Variables(words, bytes))
    }

    fn read(&self) -> Vec<u8> {
        match self {
            Data::Constants(bytes) => bytes.elements().to_vec(),
            Data::Variables(words, bytes) => {
                let words = words.elements().iter();
                let mut all: Vec<u8> = words.flat_map(|word| word.get().to_ne_bytes()).collect();
                all.extend(bytes.elements().iter().skip(all.len()).map(Global::get));
                all
            }
        }
    }

    /// Writes what differs; constants are frozen.
    fn write(&self, bytes: &[u8]) {
        if let Data::Variables(_, cells) = self {
            let now = self.read();
            for (at, cell) in cells.elements().iter().enumerate() {
                if let (Some(new), old) = (bytes.get(at), now.get(at))
                    && Some(new) != old
                {
                    cell.set(*new);
                }
            }
        }
    }

    fn is_shared(&self) -> bool {
        match self {
            Data::Constants(bytes) => bytes.is_shared(),
            Data::Variables(_, bytes) => bytes.is_shared(),
        }
    }
}

/// An object in one of its states.
enum State {
    Open(Box<OpenObject>),
    Loaded {
        object: Box<LoadedObject>,
        /// Sections that were asked for.
        data: HashMap<String, Data>,
        links: Vec<Link>,
    },
}

/// Objects by the address that they have in the C program.
#[derive(Default)]
pub(crate) struct Objects(HashMap<Vec<u8>, State>);

impl Objects {
    /// Handles a request about an object; `None` if the request is not about one.
    pub(crate) fn answer(&mut self, question: &Question) -> Option<Result<Vec<u8>>> {
        let id = question.bytes(0).to_vec();
        let name = question.text(1);
        Some(match question.verb.as_str() {
            "open" => self.open(id, question),
            "load" => self.load(id),
            "data" => self.data(&id, &name),
            "set-data" => self.set_data(&id, &name, question.bytes(2)),
            "autoload" => self.set_autoload(&id, &name, question.number(2) != 0),
            "attach" => self.attach(&id, &name),
            "is-shared" => self.is_shared(&id, &name),
            "close" => {
                self.0.remove(&id);
                Ok(Vec::new())
            }
            _ => return None,
        })
    }

    fn open(&mut self, id: Vec<u8>, question: &Question) -> Result<Vec<u8>> {
        let mut object = OpenObject::open(&question.text(1), question.bytes(2)).map_err(text)?;
        if question.number(3) != 0 {
            object.set_kconfig(question.text(4));
        }
        if !question.bytes(5).is_empty() {
            object.set_kernel_btf(Btf::from_file(question.text(5)).map_err(text)?);
        }
        self.0.insert(id, State::Open(Box::new(object)));
        Ok(Vec::new())
    }

    fn load(&mut self, id: Vec<u8>) -> Result<Vec<u8>> {
        let Some(State::Open(object)) = self.0.remove(&id) else {
            return Err("load of an object that is not open".to_owned());
        };
        let object = object.load().map_err(text)?;
        let state = State::Loaded {
            object: Box::new(object),
            data: HashMap::new(),
            links: Vec::new(),
        };
        self.0.insert(id, state);
        Ok(Vec::new())
    }

    /// A section of a loaded object.
    fn section(&mut self, id: &[u8], name: &str) -> Result<&Data> {
        let Some(State::Loaded { object, data, .. }) = self.0.get_mut(id) else {
            return Err("the object is not loaded".to_owned());
        };
        match data.entry(name.to_owned()) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(Data::of(object, name)?)),
        }
    }

    fn data(&mut self, id: &[u8], section: &str) -> Result<Vec<u8>> {
        if let Some(State::Open(object)) = self.0.get(id) {
            return object.data(section).map(<[u8]>::to_vec).map_err(text);
        }
        Ok(self.section(id, section)?.read())
    }

    fn set_data(&mut self, id: &[u8], section: &str, bytes: &[u8]) -> Result<Vec<u8>> {
        if let Some(State::Open(object)) = self.0.get_mut(id) {
            object.set_data(section, bytes).map_err(text)?;
            return Ok(Vec::new());
        }
        self.section(id, section)?.write(bytes);
        Ok(Vec::new())
    }

    fn set_autoload(&mut self, id: &[u8], name: &str, autoload: bool) -> Result<Vec<u8>> {
        let Some(State::Open(object)) = self.0.get_mut(id) else {
            return Err("the object is not open".to_owned());
        };
        let program = object.program_mut(name).map_err(text)?;
        program.set_autoload(autoload);
        Ok(Vec::new())
    }

    /// Attaches one program, or all if the name is empty.
    fn attach(&mut self, id: &[u8], name: &str) -> Result<Vec<u8>> {
        let Some(State::Loaded { object, links, .. }) = self.0.get_mut(id) else {
            return Err("the object is not loaded".to_owned());
        };
        let names = object.program_names().map(str::to_owned);
        let names: Vec<String> = names.filter(|n| name.is_empty() || n == name).collect();
        for name in names {
            let program = object.program(&name).map_err(text)?;
            if program.is_loaded() {
                links.push(program.attach().map_err(text)?);
            }
        }
        Ok(Vec::new())
    }

    /// Returns 1 if user space can map the section's map, 0 otherwise.
    fn is_shared(&mut self, id: &[u8], name: &str) -> Result<Vec<u8>> {
        let is_shared = self.section(id, name)?.is_shared();
        Ok(u32::from(is_shared).to_ne_bytes().to_vec())
    }
}

fn text(error: btf_core::Error) -> String {
    format!("{error:#}")
}
