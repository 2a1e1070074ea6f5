//! The one static program of the embedded image gantry/hello.

fn main() {}
