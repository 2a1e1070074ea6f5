//! The folders that are built.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::image::BUSYBOX;

/// How many files a folder of a context has.
const IN_A_FOLDER: usize = 100;

/// A folder with that Dockerfile.
pub(super) fn of(path: &Path, dockerfile: &str) -> PathBuf {
    fs::create_dir_all(path).expect("a folder");
    fs::write(path.join("Dockerfile"), dockerfile).expect("a file");
    path.to_owned()
}

/// Eight steps that do nothing: what is left is what a step costs.
pub(super) fn eight(path: &Path) -> PathBuf {
    of(path, &format!("FROM {BUSYBOX}\n{}", "RUN true\n".repeat(8)))
}

/// So many instructions, a third of them each of `RUN`, `COPY` and settings.
pub(super) fn steps(path: &Path, count: usize) -> PathBuf {
    let mut text = format!("FROM {BUSYBOX}\n");
    for step in 0..count {
        let line = match step % 3 {
            0 => format!("RUN echo {step} > /made-{step}"),
            1 => format!("COPY Dockerfile /copied-{step}"),
            _ => format!("ENV STEP={step}"),
        };
        let _ = writeln!(text, "{line}");
    }
    of(path, &text)
}

/// Four stages that do the same on their own, and one that takes a file of each.
pub(super) fn stages(path: &Path, each: &str) -> PathBuf {
    let (mut text, mut last) = (String::new(), "FROM scratch\n".to_owned());
    for stage in 0..4 {
        // No two of them are one step.
        let _ = write!(
            text,
            "FROM {BUSYBOX} AS s{stage}\nRUN echo {stage} > /made\n{each}"
        );
        let _ = writeln!(last, "COPY --from=s{stage} /made /made-{stage}");
    }
    of(path, &(text + &last))
}

/// So many small files, copied at once.
pub(super) fn files(path: &Path, count: usize) -> PathBuf {
    let path = of(path, "FROM scratch\nCOPY files /files\n");
    for file in 0..count {
        let folder = path.join(format!("files/{:04}", file / IN_A_FOLDER));
        if file % IN_A_FOLDER == 0 {
            fs::create_dir_all(&folder).expect("a folder");
        }
        let content = format!("{file}\n").repeat(1 + file % 200);
        fs::write(folder.join(format!("{file}.txt")), content).expect("a file");
    }
    path
}
