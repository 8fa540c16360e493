//! aya's side of the group `datapath`.

use crate::side::Work;

pub(crate) const WORKS: &[Work] = &[];
