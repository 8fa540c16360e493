//! Rows of the group `attach`: time and memory of attaching many programs to many targets.

use super::Row;

pub(super) const ROWS: &[Row] = &[];
