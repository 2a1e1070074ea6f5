//! `COPY --parents`: what is taken, and what the directories above it are like. No release of dockerd
//! has the flag built in yet; the expected trees follow from BuildKit's documentation of it.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::copy::{built, lay_out};

#[test]
fn the_path_behind_the_pivot_is_kept() {
    let context = tempfile::tempdir().unwrap();
    lay_out(context.path());
    fs::set_permissions(
        context.path().join("deep/x"),
        fs::Permissions::from_mode(0o711),
    )
    .unwrap();
    let z = "dir deep 755,dir deep/x 711,dir deep/x/y 755,file deep/x/y/z.txt 644";
    let w = "dir deep 755,dir deep/x 711,file deep/x/w.txt 644";
    let all = "dir deep 755,dir deep/x 711,file deep/x/w.md 644,file deep/x/w.txt 644,\
               dir deep/x/y 755,file deep/x/y/z.txt 644";
    let below = "dir x 711,file x/w.txt 644,dir x/y 755,file x/y/z.txt 644";
    let table = [
        // A path, however it is written, and its directories.
        ("deep/x/y/z.txt /", z),
        ("./deep/x/../x/y/z.txt /", z),
        ("/deep/x/y/z.txt .", z),
        // A directory is all that is in it.
        ("deep /", all),
        ("deep/x/ /", all),
        // The pivot: what is before it is not kept.
        ("deep/./x/w.txt /", "dir x 711,file x/w.txt 644"),
        ("deep/x/./y/./z.txt /", "dir y 755,file y/z.txt 644"),
        ("deep/x/y/./z.txt /", "file z.txt 644"),
        ("./deep/./x/w.txt /", "dir x 711,file x/w.txt 644"),
        ("d*p/./x/*.md /", "dir x 711,file x/w.md 644"),
        // Wildcards: one part of a path, or any number.
        ("deep/x/*.txt /", w),
        ("deep/*/w.txt /", w),
        ("deep/./**/*.txt /", below),
        ("**/y /", z),
        ("deep/x/*.nope /", ""),
        // Links stay links, and are not followed.
        ("d/l* /", "dir d 755,link d/link 777"),
        ("ld/* /", ""),
        ("lsub/./3 /", "file 3 644"),
        // Several sources, and what is left out, counted from the pivot.
        ("a d/1 /", "file a 644,dir d 755,file d/1 644"),
        (
            "--exclude=**/y deep /",
            &all.replace(",dir deep/x/y 755,file deep/x/y/z.txt 644", ""),
        ),
        (
            "--exclude=x/w.* deep/./x /",
            "dir x 711,dir x/y 755,file x/y/z.txt 644",
        ),
        // Modes hold for what is copied, directories included.
        ("--chmod=700 deep/./x/w.txt /", "dir x 700,file x/w.txt 700"),
    ];
    let mut wrong = String::new();
    for (words, expected) in table {
        let answer = built(
            &format!("FROM scratch\nCOPY --parents {words}\n"),
            context.path(),
        );
        let lines = answer.lines().map(|line| {
            let words: Vec<&str> = line.split(' ').take(3).collect();
            words.join(" ")
        });
        let answer = lines.collect::<Vec<_>>().join(",");
        if answer != expected {
            let _ = writeln!(wrong, "{words}\n  expected {expected}\n  got      {answer}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn directories_keep_their_owners_between_stages() {
    let context = tempfile::tempdir().unwrap();
    lay_out(context.path());
    let text = "FROM scratch AS one\nCOPY --chown=5:6 deep /r/deep\nFROM scratch\n\
                COPY --parents --from=one /r/./deep/x/w.txt /o/\n\
                COPY --parents --from=one --chown=7 /r/./deep/x/w.md /o/\n";
    let answer = built(text, context.path());
    let owners: Vec<&str> = answer.lines().collect();
    // What is there already keeps its owner.
    assert_eq!(
        owners,
        [
            "dir o 755 0:0",
            "dir o/deep 755 5:6",
            "dir o/deep/x 755 5:6",
            "file o/deep/x/w.md 644 7:7 'md'",
            "file o/deep/x/w.txt 644 5:6 'w'",
        ]
    );
}
