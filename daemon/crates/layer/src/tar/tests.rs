use super::*;

fn block(name: &str, flag: u8, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::new(flag));
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(1);
    header.set_gid(2);
    header.set_mtime(3);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// Keeps everything.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Tape for Kept {
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[test]
fn what_is_not_content_goes_to_the_tape() {
    let mut bytes = block("taken", b'0', 3);
    bytes.extend(b"abc");
    bytes.resize(1024, b'p');
    bytes.extend(block("skipped", b'0', 4));
    bytes.extend(b"defg");
    bytes.resize(2048, 0);
    bytes.extend([0; 1024]);
    bytes.extend(b"trailer");
    let mut tar = TarReader::new(&*bytes, Kept::default(), Limits::DEFAULT);
    let first = tar.next_entry().unwrap().unwrap();
    assert_eq!(
        (&*first.path, first.size, first.uid, first.gid),
        (&b"taken"[..], 3, 1, 2)
    );
    let mut content = Vec::new();
    tar.content(|piece| {
        content.extend_from_slice(piece);
        Ok::<_, ()>(())
    })
    .unwrap()
    .unwrap();
    assert_eq!(content, b"abc");
    assert_eq!(tar.next_entry().unwrap().unwrap().path, b"skipped");
    assert!(tar.next_entry().unwrap().is_none());
    assert!(tar.next_entry().unwrap().is_none());
    let (_, tape) = tar.into_parts();
    assert!(tape.0 == [&bytes[..512], &bytes[515..]].concat());
}

#[test]
fn long_names_of_gnu_tar() {
    let mut bytes = block("././@LongLink", b'L', 6);
    bytes.extend(b"long/1");
    bytes.resize(1024, 0);
    bytes.extend(block("././@LongLink", b'K', 7));
    bytes.extend(b"target\0");
    bytes.resize(2048, 0);
    bytes.extend(block("short", b'2', 0));
    let mut tar = TarReader::new(&*bytes, (), Limits::DEFAULT);
    let entry = tar.next_entry().unwrap().unwrap();
    assert_eq!(
        (&*entry.path, &*entry.link),
        (&b"long/1"[..], &b"target"[..])
    );
    assert_eq!(entry.kind, Kind::Symlink);
    assert!(tar.next_entry().unwrap().is_none());
}

#[test]
fn old_tars_mark_directories_by_a_slash() {
    for (name, kind) in [("d/", Kind::Directory), ("f", Kind::File)] {
        // The builder would write the newer flag.
        let mut header = tar::Header::new_old();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkflag = [0];
        header.set_mode(0o644);
        header.set_cksum();
        let bytes = header.as_bytes().to_vec();
        let mut tar = TarReader::new(&*bytes, (), Limits::DEFAULT);
        assert_eq!(tar.next_entry().unwrap().unwrap().kind, kind);
    }
}

#[test]
fn content_can_be_read() {
    use std::io::Read;
    let mut bytes = block("f", b'0', 4);
    bytes.extend(b"abcd");
    let mut tar = TarReader::new(&*bytes, (), Limits::DEFAULT);
    tar.next_entry().unwrap().unwrap();
    let mut text = String::new();
    tar.content_reader().read_to_string(&mut text).unwrap();
    assert_eq!(text, "abcd");
    // The padding is missing.
    assert!(matches!(tar.next_entry(), Err(TarError::Truncated)));
}
