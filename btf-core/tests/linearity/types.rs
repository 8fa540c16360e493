//! BTF that is deduplicated, printed and shown.
