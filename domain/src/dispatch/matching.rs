//! The cheapest way to give each row a column of its own: the Hungarian method with potentials, one
//! shortest augmenting path a row (Kuhn 1955; Jonker and Volgenant 1987). O(rows² · columns).

/// What a row would pay for each column; `f64::INFINITY` where it cannot have it.
#[derive(Debug, Clone)]
pub(super) struct Costs {
    columns: usize,
    cells: Vec<f64>,
}

impl Costs {
    /// No row can have any column yet.
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self { columns, cells: vec![f64::INFINITY; rows * columns] }
    }

    pub(super) fn set(&mut self, row: usize, column: usize, cost: f64) {
        self.cells[row * self.columns + column] = cost;
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.columns..(row + 1) * self.columns]
    }

    fn rows(&self) -> usize {
        self.cells.len().checked_div(self.columns).unwrap_or(0)
    }
}

/// The column of each row, such that the sum is the least. Every row needs at least one column that it
/// can have whatever the others take: who would rather wait gets a column of waiting.
pub(super) fn assign(costs: &Costs) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let columns = costs.columns;
    let mut row_of = vec![NONE; columns];
    let mut row_price = vec![0.0; costs.rows()];
    let mut column_price = vec![0.0; columns];
    for first in 0..costs.rows() {
        // Dijkstra from `first` over reduced costs, until a column is found that nobody has.
        let mut nearest = vec![f64::INFINITY; columns];
        let mut came_from = vec![NONE; columns];
        let mut is_settled = vec![false; columns];
        let mut row = first;
        let mut at = NONE;
        let mut far = 0.0;
        let end = loop {
            if at != NONE {
                is_settled[at] = true;
                row = row_of[at];
            }
            let mut best = NONE;
            for (column, cost) in costs.row(row).iter().enumerate() {
                if is_settled[column] {
                    continue;
                }
                let reach = far + cost - row_price[row] - column_price[column];
                if reach < nearest[column] {
                    nearest[column] = reach;
                    came_from[column] = at;
                }
                if best == NONE || nearest[column] < nearest[best] {
                    best = column;
                }
            }
            debug_assert!(best != NONE && nearest[best].is_finite(), "a row has nothing that it can have");
            far = nearest[best];
            at = best;
            if row_of[best] == NONE {
                break best;
            }
        };
        row_price[first] += far;
        for column in (0..columns).filter(|column| is_settled[*column]) {
            let slack = far - nearest[column];
            row_price[row_of[column]] += slack;
            column_price[column] -= slack;
        }
        // Along the path everybody moves one column on.
        let mut column = end;
        while column != NONE {
            let before = came_from[column];
            row_of[column] = if before == NONE { first } else { row_of[before] };
            column = before;
        }
    }
    let mut column_of = vec![NONE; costs.rows()];
    for (column, row) in row_of.into_iter().enumerate() {
        if row != NONE {
            column_of[row] = column;
        }
    }
    column_of
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The least sum by trying everything.
    fn least(costs: &Costs, row: usize, taken: &mut Vec<bool>) -> f64 {
        if row == costs.rows() {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        for column in 0..costs.columns {
            if !taken[column] {
                taken[column] = true;
                best = best.min(costs.row(row)[column] + least(costs, row + 1, taken));
                taken[column] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_other_way_is_cheaper(rows in 1_usize..5, extra in 0_usize..3, cells in prop::collection::vec(prop::option::weighted(0.8, 0_u16..50), 40)) {
            let columns = rows + extra + rows;
            let mut costs = Costs::new(rows, columns);
            for row in 0..rows {
                for column in 0..rows + extra {
                    if let Some(cost) = cells[(row * 7 + column * 3) % 40] {
                        costs.set(row, column, f64::from(cost));
                    }
                }
                costs.set(row, rows + extra + row, 100.0);
            }
            let given = assign(&costs);
            let mut seen = given.clone();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), rows, "two rows have one column");
            let sum: f64 = given.iter().enumerate().map(|(row, column)| costs.row(row)[*column]).sum();
            prop_assert!((sum - least(&costs, 0, &mut vec![false; columns])).abs() < 1e-6);
        }
    }
}
