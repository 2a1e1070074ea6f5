//! The one static program of the embedded image `gantry/hello`.
//!
//! It looks at the name it was called by and becomes that applet, so that an image of one file is
//! enough to try every command of the engine without a registry. It owns no policy and no
//! configuration; it is not a shell to write programs for.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

mod applet;
mod shell;

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let called = args
        .first()
        .map(|a| a.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut name = Path::new(&called)
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    // `hello APPLET …` works where the links are missing.
    if applet::find(&name).is_none() || (name == "hello" && args.len() > 1) {
        args.remove(0);
        name = args
            .first()
            .map(|a| a.to_string_lossy().into_owned())
            .unwrap_or_default();
    }
    let rest: Vec<String> = args
        .iter()
        .skip(1)
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    let Some(run) = applet::find(&name) else {
        let _ = writeln!(
            std::io::stderr(),
            "hello: {name}: no such applet; there are: {}",
            applet::NAMES.join(" ")
        );
        return ExitCode::from(127);
    };
    ExitCode::from(run(&rest))
}
