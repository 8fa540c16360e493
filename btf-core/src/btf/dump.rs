//! Writing BTF as C.
