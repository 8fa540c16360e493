//! Tasks of one file.

pub(crate) mod demo;
pub(crate) mod golden;
pub(crate) mod kernel;
pub(crate) mod vm;
