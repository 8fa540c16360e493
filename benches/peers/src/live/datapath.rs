//! Rows of the group `datapath`: events, maps and global variables of loaded objects.

use super::Row;

pub(super) const ROWS: &[Row] = &[];
