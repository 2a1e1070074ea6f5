use super::*;

/// The `n`th block of a sequence in which no two are equal.
fn block(n: usize) -> Vec<u8> {
    n.to_le_bytes().repeat(1000)
}

#[test]
fn bytes_come_out_in_order_through_memory_and_file_and_memory_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut backlog = Backlog::default();
    let (mut pushed, mut taken) = (Vec::new(), Vec::new());
    let mut spilled = false;
    for n in 0..400 {
        backlog.push(&block(n), folder.path()).unwrap();
        pushed.extend(block(n));
        spilled |= backlog.spool.is_some();
        if n % 3 == 0 {
            let front = backlog.front();
            let len = front.len().min(20_000);
            taken.extend_from_slice(&front[..len]);
            backlog.consume(len).unwrap();
        }
        assert!(backlog.memory.len() <= MEMORY_LEN);
    }
    assert!(spilled, "400 blocks do not fit the memory");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "the file has no name"
    );
    while !backlog.is_empty() {
        let len = backlog.front().len();
        taken.extend_from_slice(backlog.front());
        backlog.consume(len).unwrap();
    }
    assert!(backlog.spool.is_none(), "the file goes when it is read");
    assert!(pushed == taken);
}

#[test]
fn without_a_file_it_is_full_when_the_memory_is() {
    let not_a_folder = tempfile::NamedTempFile::new().unwrap();
    let mut backlog = Backlog::default();
    for n in 0..100 {
        if backlog.is_full() {
            break;
        }
        backlog.push(&block(n), not_a_folder.path()).unwrap();
    }
    assert!(backlog.is_full());
    assert!(backlog.memory.len() < MEMORY_LEN + block(0).len());
}
