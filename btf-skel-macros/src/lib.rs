//! `include_skel!`.
