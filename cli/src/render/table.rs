//! Tables for people: columns as wide as their widest cell, numbers to the right.

use super::text;

/// A table under construction.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, bool)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns; those whose name begins with `#` hold numbers.
    pub(crate) fn new(columns: &[&'static str]) -> Self {
        let column = |name: &&'static str| (name.trim_start_matches('#'), name.starts_with('#'));
        Self { columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells that steer terminals lose that power.
    pub(crate) fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(|cell| text::shown(cell.as_ref())).collect());
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines of the table.
    pub(crate) fn render(&self, colour: bool) -> String {
        let widths: Vec<usize> = self.columns.iter().enumerate().map(|(at, (name, _))| self.width(at, name)).collect();
        let names: Vec<String> = self.columns.iter().map(|(name, _)| name.to_uppercase()).collect();
        let heading = self.line(&names, &widths);
        let mut out = if colour { format!("\u{1b}[1m{heading}\u{1b}[0m\n") } else { format!("{heading}\n") };
        for row in &self.rows {
            out.push_str(&self.line(row, &widths));
            out.push('\n');
        }
        out
    }

    fn width(&self, at: usize, name: &str) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).chain([name.chars().count()]).max().unwrap_or(0)
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let pad = |((cell, width), (_, is_number)): ((&String, &usize), &(&str, bool))| {
            if *is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        };
        let padded: Vec<String> = cells.iter().zip(widths).zip(&self.columns).map(pad).collect();
        padded.join("  ").trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right() {
        let mut table = Table::new(&["class", "#records"]);
        table.row(["public.ci", "7"]);
        table.row(["x\ny", "1,200"]);
        assert_eq!(table.render(false), "CLASS      RECORDS\npublic.ci        7\nx\\ny         1,200\n");
    }
}
