//! opensnoop
fn main() {}
