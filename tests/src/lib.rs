//! What end-to-end tests share.

pub mod outside;
pub mod text;
