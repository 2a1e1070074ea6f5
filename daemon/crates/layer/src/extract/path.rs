//! Paths as tars write them, made relative and clean.
//!
//! Cleaning is lexical and only a first gate, as docker's is: that nothing leaves the root is
//! guaranteed by the kernel, which resolves every path beneath the root's descriptor.

/// A path leads above the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Escapes;

/// Removes leading slashes, empty and `.` components, and resolves `..` lexically. The root itself
/// is the empty path.
pub(crate) fn clean(path: &[u8]) -> Result<Vec<u8>, Escapes> {
    let mut out = Vec::with_capacity(path.len());
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                if out.is_empty() {
                    return Err(Escapes);
                }
                out.truncate(parent_of(&out).len());
            }
            name => {
                if !out.is_empty() {
                    out.push(b'/');
                }
                out.extend_from_slice(name);
            }
        }
    }
    Ok(out)
}

/// Everything before the last component of a clean path.
pub(crate) fn parent_of(path: &[u8]) -> &[u8] {
    path.iter()
        .rposition(|byte| *byte == b'/')
        .map_or(&[], |slash| &path[..slash])
}

/// The last component of a clean path.
pub(crate) fn name_of(path: &[u8]) -> &[u8] {
    path.iter()
        .rposition(|byte| *byte == b'/')
        .map_or(path, |slash| &path[slash + 1..])
}

/// How many components a clean path has.
pub(crate) fn depth(path: &[u8]) -> usize {
    if path.is_empty() {
        0
    } else {
        1 + path.iter().filter(|byte| **byte == b'/').count()
    }
}

/// `parent/name` of clean parts.
pub(crate) fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() {
        name.to_vec()
    } else {
        [parent, b"/", name].concat()
    }
}

/// Whether `path` is `ancestor` or lies beneath it.
pub(crate) fn is_within(path: &[u8], ancestor: &[u8]) -> bool {
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || ancestor.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning() {
        let cases: [(&str, Option<&str>); 12] = [
            ("a", Some("a")),
            ("./a/b/", Some("a/b")),
            ("/a//b/./c", Some("a/b/c")),
            ("./", Some("")),
            ("/", Some("")),
            ("a/../b", Some("b")),
            ("a/b/../..", Some("")),
            ("..", None),
            ("../a", None),
            ("a/../../b", None),
            ("/../a", None),
            ("...", Some("...")),
        ];
        for (path, expected) in cases {
            let cleaned = clean(path.as_bytes()).ok();
            assert_eq!(cleaned.as_deref(), expected.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn parts() {
        assert_eq!(
            (parent_of(b"a/b/c"), name_of(b"a/b/c"), depth(b"a/b/c")),
            (&b"a/b"[..], &b"c"[..], 3)
        );
        assert_eq!(
            (parent_of(b"a"), name_of(b"a"), depth(b"")),
            (&b""[..], &b"a"[..], 0)
        );
        assert!(is_within(b"a/b", b"a") && is_within(b"a", b"a") && is_within(b"a", b""));
        assert!(!is_within(b"ab", b"a") && !is_within(b"a", b"a/b"));
    }
}
