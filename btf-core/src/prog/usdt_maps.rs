//! Maps that tell USDT programs the locations of their arguments.

use std::sync::{Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::MapFd;

/// Names of the maps that `<bpf/usdt.bpf.h>` declares.
pub(crate) const SPECS: &str = "__bpf_usdt_specs";
pub(crate) const BY_ADDRESS: &str = "__bpf_usdt_ip_to_spec_id";

/// Maps of `<bpf/usdt.bpf.h>`, which the USDT programs of one object share.
#[derive(Debug)]
pub(crate) struct UsdtMaps {
    /// Locations of arguments, by spec ID.
    pub(crate) specs: MapFd,
    pub(crate) max_entries: u32,
    /// Spec IDs by address: for kernels without cookies.
    pub(crate) by_address: MapFd,
    pub(crate) has_cookies: bool,
    /// `true` if programs were loaded for uprobe.multi links.
    pub(crate) by_multi: bool,
    ids: Mutex<FreeIds>,
}

/// Spec IDs that are not in use.
#[derive(Debug, Default)]
struct FreeIds {
    free: Vec<u32>,
    next: u32,
}

impl UsdtMaps {
    pub(crate) fn new(
        specs: MapFd,
        max_entries: u32,
        by_address: MapFd,
        has_cookies: bool,
        by_multi: bool,
    ) -> UsdtMaps {
        UsdtMaps {
            specs,
            max_entries,
            by_address,
            has_cookies,
            by_multi,
            ids: Mutex::default(),
        }
    }

    /// Reserves a spec ID.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if all are in use.
    pub(crate) fn reserve_id(&self) -> Result<u32> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = ids.free.pop() {
            return Ok(id);
        }
        if ids.next >= self.max_entries {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "map `{SPECS}` is full: {} USDT probes have different argument locations",
                    self.max_entries
                ),
            )
            .hint(
                "define BPF_USDT_MAX_SPEC_CNT before <bpf/usdt.bpf.h>, or call set_max_entries of \
                 the map before loading",
            ));
        }
        ids.next += 1;
        Ok(ids.next - 1)
    }

    /// Makes spec IDs available again.
    pub(crate) fn release_ids(&self, ids: &mut Vec<u32>) {
        let mut free = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        free.free.append(ids);
    }
}
