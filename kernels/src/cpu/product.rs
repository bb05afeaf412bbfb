//! Products of matrices that lie somewhere in a slice, rows a stride apart.

use gemm::Parallelism;

/// `rows` x `columns` numbers of a slice: row r, column c at `start + r * row_stride + c * column_stride`.
#[derive(Clone, Copy)]
pub struct Matrix {
    pub start: usize,
    pub rows: usize,
    pub columns: usize,
    pub row_stride: usize,
    pub column_stride: usize,
}

impl Matrix {
    /// Rows one behind the other.
    pub fn dense(rows: usize, columns: usize) -> Self {
        Self { start: 0, rows, columns, row_stride: columns, column_stride: 1 }
    }

    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// One behind the last number's place.
    fn end(&self) -> usize {
        self.start + (self.rows.max(1) - 1) * self.row_stride + (self.columns.max(1) - 1) * self.column_stride + 1
    }
}

/// `into` = `factor` * `left` * `right`, added to what is there where `add` says so.
///
/// # Panics
/// Where a matrix does not lie in its slice, or the sizes do not belong together.
pub fn product(
    (into, target): (&mut [f32], Matrix),
    (left, left_matrix): (&[f32], Matrix),
    (right, right_matrix): (&[f32], Matrix),
    factor: f32,
    add: bool,
) {
    let inner = left_matrix.columns;
    assert!(inner == right_matrix.rows && target.rows == left_matrix.rows && target.columns == right_matrix.columns);
    assert!(target.end() <= into.len() && left_matrix.end() <= left.len() && right_matrix.end() <= right.len());
    // SAFETY: all three matrices lie within their slices, as was just checked, and `into` is borrowed alone.
    unsafe {
        gemm::gemm(
            target.rows,
            target.columns,
            inner,
            into.as_mut_ptr().add(target.start),
            target.column_stride as isize,
            target.row_stride as isize,
            add,
            left.as_ptr().add(left_matrix.start),
            left_matrix.column_stride as isize,
            left_matrix.row_stride as isize,
            right.as_ptr().add(right_matrix.start),
            right_matrix.column_stride as isize,
            right_matrix.row_stride as isize,
            1.0,
            factor,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
