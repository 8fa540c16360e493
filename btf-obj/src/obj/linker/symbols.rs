//! Symbols of what is linked: local ones as they are, global ones resolved by name.

use object::elf;

use super::source::{Source, Symbol};
use super::{EXTERN, Linker, MAPS, Place, matching};
use crate::btf::TypeId;
use crate::error::{Context, Error, ErrorKind, Result};

/// A symbol of what is linked.
pub(super) struct OutSymbol {
    pub(super) name: String,
    pub(super) kind: elf::SymbolType,
    pub(super) bind: elf::SymbolBind,
    pub(super) hidden: bool,
    pub(super) output: Option<usize>,
    pub(super) value: u64,
    pub(super) size: u64,
}

/// A symbol that several objects may name.
pub(super) struct Global {
    pub(super) symbol: usize,
    pub(super) output: Option<usize>,
    /// Its VAR or FUNC among all types.
    pub(super) ty: Option<u32>,
    /// Its VAR or FUNC in the object, by position, that knows it best.
    pub(super) sample: (usize, TypeId),
    pub(super) is_extern: bool,
    pub(super) is_weak: bool,
    /// Whether that VAR or FUNC takes the place of the one among all types.
    pub(super) is_redefined: bool,
    /// Its position among the variables of its section.
    pub(super) variable: Option<usize>,
}

impl Linker {
    pub(super) fn add_symbols(
        &mut self,
        sources: &[(&str, Source<'_>)],
        at: usize,
        places: &[Option<Place>],
    ) -> Result<Vec<Option<usize>>> {
        let mut map = Vec::new();
        for symbol in &sources[at].1.symbols {
            let place = places.get(symbol.section).copied().flatten();
            let added = match (symbol.is_extern(), place) {
                // The first symbol, and names of files.
                (true, _) if symbol.is_local() => None,
                // Of a section that is left out.
                (false, None) => None,
                (false, Some(place)) if place.is_repeated => None,
                (_, place) if symbol.is_local() => Some(self.add_local(symbol, place)),
                (_, place) => Some(
                    self.add_global(sources, at, symbol, place)
                        .context(|| format!("symbol `{}`", symbol.name))?,
                ),
            };
            map.push(added);
        }
        Ok(map)
    }

    fn add_local(&mut self, symbol: &Symbol<'_>, place: Option<Place>) -> usize {
        let output = place.map(|p| p.output);
        if symbol.kind != elf::STT_SECTION {
            return self.add_symbol(symbol, output, place.map_or(0, |p| p.base) + symbol.value);
        }
        if let Some(known) = output.and_then(|o| self.sections[o].symbol) {
            return known;
        }
        let added = self.add_symbol(symbol, output, 0);
        if let Some(output) = output {
            self.sections[output].symbol = Some(added);
        }
        added
    }

    fn add_symbol(&mut self, symbol: &Symbol<'_>, output: Option<usize>, value: u64) -> usize {
        self.symbols.push(OutSymbol {
            name: symbol.name.to_owned(),
            kind: symbol.kind,
            bind: symbol.bind,
            hidden: symbol.hidden,
            output,
            value,
            size: symbol.size,
        });
        self.symbols.len() - 1
    }

    fn add_global(
        &mut self,
        sources: &[(&str, Source<'_>)],
        at: usize,
        symbol: &Symbol<'_>,
        place: Option<Place>,
    ) -> Result<usize> {
        let source = &sources[at].1;
        let (ty, section) = source.declaration(symbol.name)?;
        let mut output = place.map(|p| p.output);
        if let (true, Some(section)) = (symbol.is_extern(), section)
            && section != EXTERN
        {
            self.effort.charge_kept(section.len())?;
            output = Some(self.output(section)?);
        }
        let value = place.map_or(0, |p| p.base) + symbol.value;
        let Some(global) = self.globals.get(symbol.name) else {
            let added = self.add_symbol(symbol, output, value);
            let global = Global {
                symbol: added,
                output,
                ty: None,
                sample: (at, ty.id()),
                is_extern: symbol.is_extern(),
                is_weak: symbol.is_weak(),
                is_redefined: false,
                variable: None,
            };
            self.globals.insert(symbol.name.to_owned(), global);
            return Ok(added);
        };
        let (other, other_id) = global.sample;
        let (other_name, other_source) = &sources[other];
        let both_defined = !symbol.is_extern() && !global.is_extern;
        if both_defined && !global.is_weak && !symbol.is_weak() {
            let why = format!("it is defined here and in object `{other_name}`");
            return Err(Error::new(ErrorKind::InvalidInput, why)
                .hint("make one of them `static`, or `__weak`"));
        }
        if let Some(btf) = &other_source.btf {
            let is_map = global.output.is_some_and(|o| self.sections[o].name == MAPS);
            let (first, second) = ((other, btf.ty(other_id)), (at, ty));
            matching::check(first, second, is_map, &mut self.same, &mut self.effort)
                .map_err(|e| e.context(format!("as in object `{other_name}` and here")))?;
        }
        self.resolve(symbol, (at, ty.id()), output, value);
        Ok(self.globals[symbol.name].symbol)
    }

    /// Adds what another object says of a global to what is known of it.
    fn resolve(
        &mut self,
        symbol: &Symbol<'_>,
        sample: (usize, TypeId),
        output: Option<usize>,
        value: u64,
    ) {
        let Some(global) = self.globals.get_mut(symbol.name) else {
            return;
        };
        let out = &mut self.symbols[global.symbol];
        let was_weak = global.is_weak;
        // Who asks for it strongly, or hides it, does so for all.
        if !symbol.is_weak() {
            out.bind = symbol.bind;
            global.is_weak = false;
        }
        out.hidden |= symbol.hidden;
        let gives_way = !global.is_extern && (symbol.is_weak() || !was_weak);
        if symbol.is_extern() || gives_way {
            return;
        }
        (out.kind, out.output) = (symbol.kind, output);
        (out.value, out.size) = (value, symbol.size);
        (global.output, global.sample) = (output, sample);
        (global.is_extern, global.is_redefined) = (false, true);
    }
}
