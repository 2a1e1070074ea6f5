//! Tables laid out as Go's `tabwriter` with docker's settings: cells of at least ten columns,
//! three spaces apart.

const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// Aligns the tab-separated cells of `text`.
pub(crate) fn tabulate(text: &str) -> String {
    aligned(text, MIN_WIDTH, PADDING)
}

/// A column is a block of neighbouring lines whose cell there ends in a tab; its width is that of
/// its widest cell. The last cell of a line belongs to no column.
pub(crate) fn aligned(text: &str, min_width: usize, padding: usize) -> String {
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let mut widths: Vec<Vec<usize>> = lines
        .iter()
        .map(|cells| vec![0; cells.len().saturating_sub(1)])
        .collect();
    let columns = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        let mut start = 0;
        while start < lines.len() {
            let block = widths[start..]
                .iter()
                .take_while(|cells| column < cells.len())
                .count();
            let end = start + block;
            let widest = lines[start..end]
                .iter()
                .map(|cells| width(cells[column]))
                .max();
            for cells in &mut widths[start..end] {
                cells[column] = widest.map_or(0, |widest| (widest + padding).max(min_width));
            }
            start = end + 1;
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (cells, widths) in lines.iter().zip(&widths) {
        for (cell, column) in cells.iter().zip(widths) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', column.saturating_sub(width(cell))));
        }
        out.push_str(cells.last().copied().unwrap_or_default());
        out.push('\n');
    }
    out
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_ten_wide_and_three_apart() {
        assert_eq!(
            tabulate("DRIVER\tVOLUME NAME\nlocal\tv1\n"),
            "DRIVER    VOLUME NAME\nlocal     v1\n"
        );
        assert_eq!(
            tabulate("REPOSITORY\tTAG\nx\ty\n"),
            "REPOSITORY   TAG\nx            y\n"
        );
    }

    #[test]
    fn a_line_without_the_cell_ends_the_column() {
        assert_eq!(
            tabulate("a\tb\nlonglonglong\tb\nplain\nc\td\n"),
            "a              b\nlonglonglong   b\nplain\nc         d\n"
        );
    }
}
