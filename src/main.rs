//! The daemon `leasehold` and its command line.
fn main() {}
