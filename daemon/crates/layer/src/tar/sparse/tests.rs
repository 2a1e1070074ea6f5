use super::*;

fn made(numbers: &[u64], sizes: (u64, u64)) -> Result<Vec<(u64, u64)>, String> {
    segments(numbers, sizes, 100)
        .map(|all| all.iter().map(|one| (one.offset, one.len)).collect())
        .map_err(|error| error.to_string())
}

#[test]
fn segments_that_touch_become_one() {
    assert_eq!(made(&[], (10, 0)), Ok(vec![]));
    assert_eq!(
        made(&[0, 4, 4, 2, 8, 1, 10, 0], (10, 7)),
        Ok(vec![(0, 6), (8, 1)])
    );
    assert_eq!(made(&[3, 0, 3, 4], (10, 4)), Ok(vec![(3, 4)]));
}

#[test]
fn hostile_maps_are_refused() {
    let cases: [(&[u64], (u64, u64), &str); 7] = [
        (&[0], (10, 0), "not in pairs"),
        (&[0, 11], (10, 11), "beyond its end"),
        (&[u64::MAX, 2], (10, 2), "beyond its end"),
        (&[0, 4, 3, 2], (10, 6), "overlap"),
        (&[6, 2, 0, 2], (10, 4), "overlap"),
        (&[0, 4], (10, 5), "not what follows"),
        (&[0, 4, 4, 0], (10, 3), "not what follows"),
    ];
    for (numbers, sizes, says) in cases {
        let error = made(numbers, sizes).unwrap_err();
        assert!(error.contains(says), "{numbers:?}: {error}");
    }
    assert!(
        made(&[0; 202], (10, 0))
            .unwrap_err()
            .contains("over the limit")
    );
}

#[test]
fn maps_in_front_of_the_content() {
    let block = |text: &str| {
        let mut block = [0; BLOCK];
        block[..text.len()].copy_from_slice(text.as_bytes());
        block
    };
    let mut map = NewMap::default();
    assert!(map.take(&block("2\n0\n5\n10\n7\n"), 2).unwrap());
    assert_eq!(map.into_numbers(), [0, 5, 10, 7]);
    assert!(NewMap::default().take(&block("0\n"), 2).unwrap());
    for text in [
        "3\n",
        "x\n",
        "\n",
        "-1\n",
        "99999999999999999999999",
        "1\n\n",
    ] {
        assert!(NewMap::default().take(&block(text), 2).is_err(), "{text:?}");
    }
}

#[test]
fn records_say_what_they_are() {
    let of = |records: &[(&str, &str)]| {
        let mut all = Records::default();
        for (key, value) in records {
            let value = Some(value.as_bytes()).filter(|value| !value.is_empty());
            all.take(key.as_bytes(), value)?;
        }
        all.find()
    };
    assert!(of(&[]).unwrap().is_none());
    let old = of(&[
        ("size", "9"),
        ("numblocks", "1"),
        ("offset", "1"),
        ("numbytes", "2"),
    ]);
    assert!(matches!(old, Ok(Some(Found::Whole(map, 9))) if map == [1, 2]));
    let newer = of(&[("size", "9"), ("map", "1,2,4,0")]);
    assert!(matches!(newer, Ok(Some(Found::Whole(map, 9))) if map == [1, 2, 4, 0]));
    let newest = of(&[("major", "1"), ("minor", "0"), ("realsize", "9")]);
    assert!(matches!(newest, Ok(Some(Found::InContent(9)))));
    let bad: [&[(&str, &str)]; 8] = [
        &[("size", "9")],
        &[("map", "1,2")],
        &[("size", "9"), ("map", "1,,2")],
        &[("size", "9"), ("map", "1,-2")],
        &[("size", "9"), ("numbytes", "1")],
        &[("size", "9"), ("offset", "1"), ("offset", "2")],
        &[("size", "9"), ("major", "2"), ("minor", "0")],
        &[("major", "1"), ("minor", "0")],
    ];
    for records in bad {
        assert!(of(records).is_err(), "{records:?}");
    }
}
