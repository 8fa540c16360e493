//! Programs on USDT probes.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use super::AttachMode;
use super::probed::c_path;
use super::typed::attaches;
use super::uprobe::{Place, uprobe_at};
use super::uprobe_multi::uprobe_multi_at;
use crate::binary::{self, Binary, Machine, StaticProbe};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::link::{Held, Link, Taken};
use crate::obj::AttachType;
use crate::prog::{BY_ADDRESS, Program, SPECS, UsdtMaps, typed};
use crate::sys::Places;
use btf_obj::private::{did_you_mean, similar};

/// A program in `SEC("usdt/…")`, with `BPF_USDT` of `<bpf/usdt.bpf.h>`.
#[derive(Debug)]
pub struct Usdt(pub(crate) Program);
typed!(Usdt, "a USDT program", Usdt);
attaches!(Usdt);

impl Usdt {
    /// Attaches it to a USDT probe of a binary, in every process: `libc.so.6`, `libc` and `setjmp`.
    /// A binary without a `/` in its name is searched for as by
    /// [`Binary::open`](crate::binary::Binary::open).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if it is not loaded; [`ErrorKind::NotFound`] if there is no such binary, or no such probe in
    /// it; [`ErrorKind::Unsupported`] for arguments in places that cannot be read; else what the kernel answers.
    pub fn attach_to(&self, binary: &str, provider: &str, name: &str) -> Result<Link> {
        self.attach_with(&UsdtOptions::new(binary, provider, name))
    }

    /// Attaches it as the options say, whatever its section says.
    ///
    /// # Errors
    ///
    /// Those of [`Usdt::attach_to`].
    pub fn attach_with(&self, options: &UsdtOptions) -> Result<Link> {
        self.0.fd()?;
        attach(&self.0, options).context(|| self.0.what())
    }
}

pub(super) fn by_section(program: &Program, cookie: u64) -> Result<Link> {
    program.to_targets(&|target| attach(program, &UsdtOptions::parse(target)?.cookie(cookie)))
}

fn attach(program: &Program, options: &UsdtOptions) -> Result<Link> {
    let Some(maps) = &program.usdt else {
        return Err(Error::not_found("its object has no maps of USDT probes")
            .hint("#include <bpf/usdt.bpf.h>"));
    };
    usdt(program, maps, options)
}

/// Attach target and options of a USDT program.
#[derive(Debug, Clone)]
pub struct UsdtOptions {
    pub(crate) binary: String,
    pub(crate) provider: String,
    pub(crate) name: String,
    pub(crate) pid: Option<u32>,
    pub(crate) cookie: u64,
}

impl UsdtOptions {
    /// At every place of the probe.
    pub fn new(binary: &str, provider: &str, name: &str) -> UsdtOptions {
        UsdtOptions {
            binary: binary.to_owned(),
            provider: provider.to_owned(),
            name: name.to_owned(),
            pid: None,
            cookie: 0,
        }
    }

    /// In this process only. Kernels before 5.15 must be told one for libraries, and for programs that are loaded anywhere.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> UsdtOptions {
        self.pid = Some(pid);
        self
    }

    /// The number that `bpf_usdt_cookie` gives, on every kernel.
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> UsdtOptions {
        self.cookie = cookie;
        self
    }

    /// Reads `BINARY:PROVIDER:NAME`, as libbpf does.
    fn parse(target: &str) -> Result<UsdtOptions> {
        let parts: Vec<&str> = target.split(':').collect();
        match parts[..] {
            [binary, provider, name] if parts.iter().all(|part| !part.is_empty()) => {
                Ok(UsdtOptions::new(binary, provider, name))
            }
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("`{target}` names no USDT probe"),
            )
            .hint("write it as BINARY:PROVIDER:NAME, such as libc.so.6:libc:setjmp")),
        }
    }
}

/// `BPF_NOEXIST`.
const NEW: u64 = 1;

/// Entries of a link in the maps, which are removed with it.
#[derive(Debug)]
struct InMaps {
    maps: Arc<UsdtMaps>,
    ids: Vec<u32>,
    addresses: Vec<u64>,
}

impl Taken for InMaps {
    fn keep(&mut self) {
        self.addresses.clear();
        // Not freed: no other link of this process may reuse them.
        self.ids.clear();
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.maps.specs.as_fd()
    }
}

impl Drop for InMaps {
    fn drop(&mut self) {
        for address in &self.addresses {
            // An entry that is left would prevent another link to the same address.
            let _ = self.maps.by_address.delete(&address.to_ne_bytes());
        }
        self.maps.release_ids(&mut self.ids);
    }
}

impl InMaps {
    /// Writes the locations of arguments to the map, and returns their spec ID.
    fn add(&mut self, spec: &[u8]) -> Result<u32> {
        let id = self.maps.reserve_id()?;
        self.ids.push(id);
        self.maps
            .specs
            .update(&id.to_ne_bytes(), spec, 0)
            .map_err(|e| Error::os(format!("cannot write to map `{SPECS}`"), e))?;
        Ok(id)
    }

    /// Lets the program find the spec ID by the address that it runs at.
    fn find_by(&mut self, address: u64, id: u32) -> Result<()> {
        self.maps
            .by_address
            .update(&address.to_ne_bytes(), &id.to_ne_bytes(), NEW)
            .map_err(|e| {
                let is_there = e.raw_os_error() == Some(libc::EEXIST);
                let error = Error::os(format!("cannot write to map `{BY_ADDRESS}`"), e);
                match is_there {
                    true => {
                        error.hint("several programs at one USDT probe require Linux 5.15 or newer")
                    }
                    false => error,
                }
            })?;
        self.addresses.push(address);
        Ok(())
    }
}

pub(crate) fn usdt(program: &Program, maps: &Arc<UsdtMaps>, at: &UsdtOptions) -> Result<Link> {
    let binary = Binary::open(&at.binary)?;
    let probes = wanted(&binary, &at.provider, &at.name)?;
    let machine = Machine::own()?;
    let mut taken = InMaps {
        maps: Arc::clone(maps),
        ids: Vec::new(),
        addresses: Vec::new(),
    };
    let mut known: HashMap<&str, u32> = HashMap::new();
    let mut places = Vec::new();
    let moved = (!maps.has_cookies)
        .then(|| Moved::of(&binary, at.pid))
        .transpose()?;
    for probe in &probes {
        let id = match known.get(probe.arguments.as_str()) {
            Some(id) => *id,
            None => {
                let spec = binary::spec(machine, &probe.arguments, at.cookie)
                    .context(|| format!("USDT probe `{}:{}`", at.provider, at.name))?;
                taken.add(&spec)?
            }
        };
        known.insert(&probe.arguments, id);
        if let Some(moved) = &moved {
            taken.find_by(moved.address(probe)?, id)?;
        }
        places.push((probe, id));
    }
    let held = if maps.by_multi {
        vec![by_one_link(program, &binary, at.pid, &places)?]
    } else {
        places
            .iter()
            .map(|(probe, id)| {
                let place = Place {
                    path: binary.path(),
                    offset: probe.offset,
                    counter: probe.semaphore.unwrap_or(0),
                    pid: at.pid,
                    mode: AttachMode::Default,
                    cookie: if maps.has_cookies { (*id).into() } else { 0 },
                };
                uprobe_at(program, &place, false)
            })
            .collect::<Result<Vec<_>>>()?
    };
    Ok(Link {
        program: program.name().to_owned(),
        held: Held::Many(held),
        stays: false,
        taken: Some(Box::new(taken)),
    })
}

fn by_one_link(
    program: &Program,
    binary: &Binary,
    pid: Option<u32>,
    places: &[(&StaticProbe, u32)],
) -> Result<Link> {
    let places = Places {
        path: c_path(binary.path())?,
        offsets: places.iter().map(|(p, _)| p.offset).collect(),
        ref_ctr_offsets: places
            .iter()
            .map(|(p, _)| p.semaphore.unwrap_or(0))
            .collect(),
        cookies: places.iter().map(|(_, id)| (*id).into()).collect(),
        pid: pid.unwrap_or(0),
    };
    let attach_type = AttachType::TRACE_UPROBE_MULTI;
    uprobe_multi_at(program, attach_type, false, binary.path(), &places)
}

/// Finds the locations of a probe.
fn wanted(binary: &Binary, provider: &str, name: &str) -> Result<Vec<StaticProbe>> {
    let all = binary.static_probes()?;
    let path = binary.path().display();
    if all.is_empty() {
        return Err(
            Error::not_found(format!("binary `{path}` has no USDT probes")).hint(
                "its section .note.stapsdt is missing: it was built without <sys/sdt.h>, or stripped",
            ),
        );
    }
    let is_wanted = |p: &StaticProbe| p.provider == provider && p.name == name;
    if all.iter().any(is_wanted) {
        return Ok(all.into_iter().filter(is_wanted).collect());
    }
    let names: Vec<String> = all
        .iter()
        .map(|p| format!("{}:{}", p.provider, p.name))
        .collect();
    let wanted = format!("{provider}:{name}");
    let error = Error::not_found(format!("binary `{path}` has no USDT probe `{wanted}`"));
    Err(
        match did_you_mean(&similar(&wanted, names.iter().map(String::as_str))) {
            Some(hint) => error.hint(hint),
            None => error.hint(format!("`readelf -n {path}` lists its probes")),
        },
    )
}

/// Addresses of a binary's instructions in memory.
enum Moved {
    /// As linked.
    No,
    /// Mappings of a process: first address, end, and offset in the file.
    To(Vec<(u64, u64, u64)>),
}

impl Moved {
    fn of(binary: &Binary, pid: Option<u32>) -> Result<Moved> {
        if !binary.is_relocatable()? {
            return Ok(Moved::No);
        }
        let Some(pid) = pid else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "to attach to USDT probes of {} in all processes requires Linux 5.15 or newer",
                    binary.path().display()
                ),
            )
            .hint("set a process in UsdtOptions"));
        };
        let maps = format!("/proc/{pid}/maps");
        let text = std::fs::read_to_string(&maps)
            .map_err(|e| Error::os(format!("cannot read {maps}"), e))?;
        let own = binary.path();
        let path = std::fs::canonicalize(own).unwrap_or_else(|_| own.to_owned());
        Ok(Moved::To(parts(&text, &path)))
    }

    fn address(&self, probe: &StaticProbe) -> Result<u64> {
        match self {
            Moved::No => Ok(probe.address),
            Moved::To(parts) => parts
                .iter()
                .find_map(|(start, end, offset)| {
                    let into = probe.offset.checked_sub(*offset)?;
                    (into < end - start).then(|| start + into)
                })
                .ok_or_else(|| Error::not_found("the process has not mapped this binary")),
        }
    }
}

/// Reads the executable mappings of a file from `/proc/PID/maps`: `7f00-7f10 r-xp 00001000 fe:00
/// 123   /usr/lib/x.so`.
fn parts(maps: &str, path: &Path) -> Vec<(u64, u64, u64)> {
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    maps.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (start, end) = words.next()?.split_once('-')?;
            let is_code = words.next()?.contains('x');
            let offset = words.next()?;
            // Device and inode follow; paths may contain spaces.
            let at = line.find('/')?;
            let is_it = is_code && Path::new(&line[at..]) == path;
            let (start, end) = (hex(start)?, hex(end)?);
            is_it
                .then_some((start, end, hex(offset)?))
                .filter(|_| start <= end)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_binary_are_found_in_memory() {
        let maps = "7f0000-7f1000 r--p 00000000 fe:00 12 /usr/lib/x y.so\n\
                    7f1000-7f3000 r-xp 00001000 fe:00 12   /usr/lib/x y.so\n\
                    7f3000-7f4000 r-xp 00000000 fe:00 13   /usr/lib/z.so\n\
                    7f5000-7f6000 rw-p 00000000 00:00 0\nbad\n";
        let found = parts(maps, Path::new("/usr/lib/x y.so"));
        assert_eq!(found, [(0x7f1000, 0x7f3000, 0x1000)]);
        let probe = |offset| StaticProbe {
            provider: String::new(),
            name: String::new(),
            offset,
            address: 5,
            semaphore: None,
            arguments: String::new(),
        };
        let moved = Moved::To(found);
        assert_eq!(moved.address(&probe(0x1010)).unwrap(), 0x7f1010);
        assert!(moved.address(&probe(0x10)).is_err());
        assert!(moved.address(&probe(0x3000)).is_err());
        assert_eq!(Moved::No.address(&probe(0x10)).unwrap(), 5);
    }
}
