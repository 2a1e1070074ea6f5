//! Applets that only write: `hello`, `echo`, `yes`.

use std::io::{BufWriter, Write};

const HELLO: &str = "\
Hello from Gantry!

This container came to you through five programs:

  gantry                    the command line: asked for a container, and shows you this
  gantryd                   the engine: found the image, prepared its layers and network
  containerd-lite           the supervisor: one task of its own for this container
  containerd-shim-lite-v2   the shim: its parent, keeps its output and its exit code
  runc-lite                 the runtime: made its namespaces and cgroup, and left

Each can be replaced by a part you already know: the docker CLI, containerd, runc, crun.

Next:
  gantry run -it gantry/hello sh                   a shell in a container
  gantry run -d -p 8080:80 gantry/hello serve 80   a web server, then: curl localhost:8080
  gantry ps -a                                     what runs, and what ran
";

/// `hello`: says where it came from and what to try next.
pub(super) fn hello(_: &[String]) -> u8 {
    u8::from(std::io::stdout().write_all(HELLO.as_bytes()).is_err())
}

/// `echo [-n] WORDS…`
pub(super) fn echo(args: &[String]) -> u8 {
    let (newline, words) = match args.split_first() {
        Some((first, rest)) if first == "-n" => ("", rest),
        _ => ("\n", args),
    };
    let line = format!("{}{newline}", words.join(" "));
    u8::from(std::io::stdout().write_all(line.as_bytes()).is_err())
}

/// `yes [WORDS…]`: writes the line until nobody reads it.
pub(super) fn yes(args: &[String]) -> u8 {
    let line = if args.is_empty() {
        "y".to_owned()
    } else {
        args.join(" ")
    } + "\n";
    let mut out = BufWriter::with_capacity(64 * 1024, std::io::stdout().lock());
    while out.write_all(line.as_bytes()).is_ok() {}
    1
}
