//! libbpf-rs's side of the group `attach`.

use crate::side::Work;

pub(crate) const WORKS: &[Work] = &[];
