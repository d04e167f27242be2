//! Solves symmetric positive definite systems.

/// The lower factor `L` of a matrix `L · Lᵀ`, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Cholesky {
    size: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factors a row-major `[size, size]` matrix of which the lower half is read.
    ///
    /// # Panics
    /// When the matrix is not positive definite: the callers add a positive number to its diagonal.
    pub(crate) fn of(mut matrix: Vec<f64>, size: usize) -> Self {
        for row in 0..size {
            for column in 0..=row {
                let (above, below) = matrix.split_at(row * size);
                let (own, other) = if column == row {
                    (below, &below[..column])
                } else {
                    (below, &above[column * size..column * size + column])
                };
                let dot: f64 = own[..column].iter().zip(other).map(|(a, b)| a * b).sum();
                let rest = own[column] - dot;
                let value = if column == row {
                    assert!(rest > 0.0, "row {row}: the matrix is not positive definite");
                    rest.sqrt()
                } else {
                    rest / above[column * size + column]
                };
                matrix[row * size + column] = value;
            }
        }
        Self { size, lower: matrix }
    }

    /// `x` with `L · Lᵀ · x = b`.
    pub(crate) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = self.forward(b);
        for row in (0..self.size).rev() {
            x[row] /= self.lower[row * self.size + row];
            let value = x[row];
            let own = &self.lower[row * self.size..row * self.size + row];
            x.iter_mut().zip(own).for_each(|(x, l)| *x -= l * value);
        }
        x
    }

    /// `y` with `L · y = b`.
    fn forward(&self, b: &[f64]) -> Vec<f64> {
        let mut y = Vec::with_capacity(self.size);
        for row in 0..self.size {
            let own = &self.lower[row * self.size..=row * self.size + row];
            let dot: f64 = own.iter().zip(&y).map(|(l, y)| l * y).sum();
            y.push((b[row] - dot) / own[row]);
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved() {
        let matrix = vec![4.0, 0.0, 0.0, 2.0, 5.0, 0.0, 1.0, 3.0, 6.0];
        let full = [[4.0, 2.0, 1.0], [2.0, 5.0, 3.0], [1.0, 3.0, 6.0]];
        let x = Cholesky::of(matrix, 3).solve(&[1.0, 2.0, 3.0]);
        for (row, b) in full.iter().zip([1.0, 2.0, 3.0]) {
            let back: f64 = row.iter().zip(&x).map(|(a, x)| a * x).sum();
            assert!((back - b).abs() < 1e-12);
        }
    }
}
