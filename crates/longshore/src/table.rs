//! Columns that stand below one another.

use std::fmt;

/// A listing for people.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(heads: [&str; N]) -> Self {
        Self { rows: vec![heads.map(ToOwned::to_owned).to_vec()] }
    }

    /// As many cells as there are heads.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    }

    /// Numbers stand at the right.
    fn is_number(&self, column: usize) -> bool {
        self.rows.len() > 1 && self.rows[1..].iter().all(|row| row[column].parse::<f64>().is_ok())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<_> =
            (0..self.rows[0].len()).map(|column| (self.width(column), self.is_number(column))).collect();
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&columns).map(|(cell, (width, number))| match number {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            write!(f, "{}{}", if index == 0 { "" } else { "\n" }, line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_at_the_right() {
        let mut table = Table::new(["QUEUE", "READY"]);
        table.row(["mail".into(), "7".into()]);
        table.row(["über".into(), "1200".into()]);
        assert_eq!(table.to_string(), "QUEUE  READY\nmail       7\nüber    1200");
    }
}
