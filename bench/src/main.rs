//! Load and comparison programs, each printing a figure, the bare part beside it and the ratio.
fn main() {}
