//! The order in which a person reads the runs of a page: columns one after the other, lines from above.

use super::runs::TextRun;
use super::sorted;

/// A gutter between columns, in sizes.
const GUTTER: f64 = 0.9;

/// How often a page is cut.
const MAX_DEPTH: u32 = 60;

/// How many runs all cuts of a page go over.
const MAX_WORK: usize = 4_000_000;

/// Runs on one line, from the left.
pub(super) type Row = Vec<TextRun>;

/// Rows that stand under each other, without a gutter of prose through them.
pub(super) type Block = Vec<Row>;

/// The blocks of a page. Texts in other directions come after each other, as they began.
pub(super) fn blocks(runs: Vec<TextRun>) -> Vec<Block> {
    let mut turns: Vec<i32> = Vec::new();
    for run in &runs {
        if !turns.contains(&run.turn) && turns.len() < 64 {
            turns.push(run.turn);
        }
    }
    let mut cutter = Cutter { work: MAX_WORK, blocks: Vec::new() };
    let mut rest = runs;
    let last = turns.last().copied();
    for turn in turns {
        let (these, others): (Vec<TextRun>, Vec<TextRun>) =
            rest.into_iter().partition(|run| run.turn == turn || Some(turn) == last);
        cutter.open_block();
        cutter.cut(these, MAX_DEPTH);
        rest = others;
    }
    cutter.blocks.retain(|block| !block.is_empty());
    cutter.blocks
}

struct Cutter {
    work: usize,
    blocks: Vec<Block>,
}

impl Cutter {
    fn open_block(&mut self) {
        if self.blocks.last().is_none_or(|block| !block.is_empty()) {
            self.blocks.push(Block::new());
        }
    }

    fn cut(&mut self, runs: Vec<TextRun>, depth: u32) {
        self.work = self.work.saturating_sub(runs.len());
        if runs.len() > 1 && depth > 0 && self.work > 0 {
            let size = usual_size(&runs);
            let found = columns(&runs, size);
            if let Some(middle) = found.as_ref().and_then(|(left, right)| end_of_columns(&runs, left, right))
            {
                let (above, below) = runs.into_iter().partition(|run| run.y < middle);
                self.cut(above, depth.saturating_sub(1));
                self.cut(below, depth.saturating_sub(1));
                return;
            }
            if let Some((left, right)) = found {
                for side in [left, right] {
                    self.open_block();
                    self.cut(side, depth.saturating_sub(1));
                }
                self.open_block();
                return;
            }
            if let Some(middle) =
                widest(gaps(runs.iter().map(|run| (run.y - run.size * 0.75, run.y + run.size * 0.2))))
                    .filter(|gap| gap.width > size * 0.05)
                    .map(|gap| gap.middle)
            {
                let (above, below) = runs.into_iter().partition(|run| run.y < middle);
                self.cut(above, depth.saturating_sub(1));
                self.cut(below, depth.saturating_sub(1));
                return;
            }
        }
        let rows = rows(runs);
        if let Some(block) = self.blocks.last_mut() {
            block.extend(rows);
        }
    }
}

fn usual_size(runs: &[TextRun]) -> f64 {
    let mut sizes: Vec<f64> = runs.iter().map(|run| run.size).collect();
    sorted::by(&mut sizes, |number| *number);
    sizes.get(sizes.len() / 2).copied().unwrap_or(0.0).max(0.1)
}

/// What is left free by intervals.
#[derive(Clone, Copy)]
struct Gap {
    middle: f64,
    width: f64,
}

fn gaps(intervals: impl Iterator<Item = (f64, f64)>) -> Vec<Gap> {
    let mut intervals: Vec<(f64, f64)> = intervals.collect();
    sorted::by(&mut intervals, |one| one.0);
    let mut gaps = Vec::new();
    let mut end: Option<f64> = None;
    for (from, to) in intervals {
        if let Some(end) = end.filter(|end| from > *end) {
            gaps.push(Gap { middle: (from + end) / 2.0, width: from - end });
        }
        end = Some(end.map_or(to, |end| end.max(to)));
    }
    gaps
}

fn widest(gaps: Vec<Gap>) -> Option<Gap> {
    // The first of equals: what stands above a text is taken off it line by line.
    gaps.into_iter().reduce(|best, gap| if gap.width > best.width { gap } else { best })
}

/// The two sides of a gutter. Only between prose: cells of tables stand apart as well.
fn columns(runs: &[TextRun], size: f64) -> Option<(Vec<TextRun>, Vec<TextRun>)> {
    let mut found = gaps(runs.iter().map(|run| (run.left, run.right)));
    found.retain(|gap| gap.width >= size * GUTTER);
    sorted::by(&mut found, |one| -one.width);
    for gap in found.into_iter().take(4) {
        let is_left = |run: &&TextRun| run.right < gap.middle;
        if is_prose(runs.iter().filter(is_left)) && is_prose(runs.iter().filter(|run| !is_left(run))) {
            return Some(runs.iter().cloned().partition(|run| run.right < gap.middle));
        }
    }
    None
}

/// Where a page goes on below columns of which one is longer: a gap that is wider than those between lines.
fn end_of_columns(runs: &[TextRun], left: &[TextRun], right: &[TextRun]) -> Option<f64> {
    let bottom = |side: &[TextRun]| side.iter().map(|run| run.y).fold(f64::MIN, f64::max);
    let end = bottom(left).min(bottom(right));
    let gaps = gaps(runs.iter().map(|run| (run.y - run.size * 0.75, run.y + run.size * 0.2)));
    let mut widths: Vec<f64> = gaps.iter().map(|gap| gap.width).collect();
    sorted::by(&mut widths, |number| *number);
    let usual = widths.get(widths.len() / 2).copied()?;
    // The longer column may have a line or two more.
    let near = usual_size(runs) * 2.5;
    let mut below = gaps.into_iter().filter(|gap| gap.middle > end && gap.middle < end + near);
    below.find(|gap| gap.width > usual * 1.6).map(|gap| gap.middle)
}

fn is_prose<'r>(runs: impl Iterator<Item = &'r TextRun>) -> bool {
    let (mut count, mut characters) = (0_usize, 0_usize);
    for run in runs {
        count = count.saturating_add(1);
        characters = characters.saturating_add(run.characters());
    }
    count >= 3 && characters >= count.saturating_mul(15)
}

fn rows(mut runs: Vec<TextRun>) -> Vec<Row> {
    sorted::by(&mut runs, |one| one.y);
    let mut rows: Vec<Row> = Vec::new();
    for run in runs {
        match rows.last_mut() {
            // With the first of the row, so that lines that stand close do not hang together.
            Some(row) if row.first().is_some_and(|first| first.is_level_with(&run)) => row.push(run),
            _ => rows.push(vec![run]),
        }
    }
    for row in &mut rows {
        sorted::by(row, |one| one.left);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, left: f64, y: f64) -> TextRun {
        let right = left + f64::from(u32::try_from(text.len()).unwrap()) * 5.0;
        TextRun { turn: 0, left, right, y, size: 10.0, bold: false, text: text.to_owned() }
    }

    fn read(runs: Vec<TextRun>) -> Vec<String> {
        let row = |row: &Row| row.iter().map(|run| run.text.as_str()).collect::<Vec<_>>().join(" | ");
        blocks(runs).iter().flatten().map(row).collect()
    }

    #[test]
    fn columns_of_prose_are_read_one_after_the_other() {
        let lines = (0..3_u32).flat_map(|line| {
            let y = f64::from(line) * 14.0;
            [
                run(&format!("left side, line {line}"), 0.0, y),
                run(&format!("right side, line {line}"), 200.0, y),
            ]
        });
        let read = read(
            std::iter::once(run("A title over both of the columns here", 0.0, -30.0)).chain(lines).collect(),
        );
        assert_eq!(read[1..4], ["left side, line 0", "left side, line 1", "left side, line 2"]);
        assert_eq!(read[4], "right side, line 0");
    }

    #[test]
    fn what_stands_below_columns_is_read_after_both() {
        let line = |side: &str, left: f64, n: u32| {
            run(&format!("{side} side, line number {n}"), left, f64::from(n) * 14.0)
        };
        let mut runs: Vec<TextRun> = (0..5).map(|n| line("left", 0.0, n)).collect();
        runs.extend((0..5).map(|n| line("right", 200.0, n)));
        runs.extend(
            (0..3).map(|n| run(&format!("below both of them, {n}"), 0.0, 90.0 + f64::from(n) * 14.0)),
        );
        let read = read(runs);
        assert_eq!(
            (read[5].as_str(), read[10].as_str()),
            ("right side, line number 0", "below both of them, 0")
        );
    }

    #[test]
    fn cells_of_a_table_stay_in_their_rows() {
        let cells = (0..4_u32).flat_map(|line| {
            let y = f64::from(line) * 14.0;
            [run("tea", 0.0, y), run("90", 100.0, y)]
        });
        assert_eq!(read(cells.collect()), ["tea | 90"; 4]);
    }
}
