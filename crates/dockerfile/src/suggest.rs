//! "Did you mean": the nearest of several names.

/// The option nearest to a value, if one differs by at most two letters.
///
/// None if the value is itself an option.
pub(crate) fn nearest<'a, I>(value: &str, options: I, ignore_case: bool) -> Option<&'a str>
where
    I: IntoIterator<Item = &'a str>,
{
    let fold = |text: &str| {
        if ignore_case {
            text.to_lowercase()
        } else {
            text.to_owned()
        }
    };
    let value = fold(value);
    let mut best = None;
    let mut least = 3;
    for option in options {
        let folded = fold(option);
        if folded == value {
            return None;
        }
        let distance = distance(&value, &folded);
        if distance < least {
            least = distance;
            best = Some(option);
        }
    }
    best
}

/// The tail of a message: ` (did you mean X?)`, or nothing.
pub(crate) fn hint<'a, I>(value: &str, options: I, ignore_case: bool) -> String
where
    I: IntoIterator<Item = &'a str>,
{
    nearest(value, options, ignore_case)
        .map(|name| format!(" (did you mean {name}?)"))
        .unwrap_or_default()
}

/// Levenshtein's distance; values that differ much in length are not compared in full.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    if left.len().abs_diff(right.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.iter().enumerate() {
        let mut corner = row[0];
        row[0] = at + 1;
        for (index, other) in right.iter().enumerate() {
            let replaced = corner + usize::from(letter != other);
            corner = row[index + 1];
            row[index + 1] = replaced.min(corner + 1).min(row[index] + 1);
        }
    }
    row[right.len()]
}
