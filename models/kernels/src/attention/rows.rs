//! Rows of numbers that lie in a larger array, a fixed distance apart.

use crate::LinearError;

/// Where rows are.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    first: usize,
    stride: usize,
    count: usize,
    width: usize,
}

impl Place {
    fn check(self, length: usize) -> Result<Self, LinearError> {
        let Self { first, stride, count, width } = self;
        let end =
            count.checked_sub(1).and_then(|last| last.checked_mul(stride)?.checked_add(first)?.checked_add(width));
        if count > 0 && end.is_none_or(|end| end > length) {
            let what = format!("{count} rows of {width} from {first} on, {stride} apart, in {length} numbers");
            return Err(LinearError::Shape { what });
        }
        Ok(self)
    }

    fn range(self, row: usize) -> std::ops::Range<usize> {
        let start = self.first + row * self.stride;
        start..start + self.width
    }
}

/// Rows that are read.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    numbers: &'a [f32],
    place: Place,
}

impl<'a> Rows<'a> {
    /// `count` rows of `width` numbers, the first from `first` on, the next `stride` further. Fails when they reach beyond the numbers.
    pub fn new(
        numbers: &'a [f32],
        first: usize,
        stride: usize,
        count: usize,
        width: usize,
    ) -> Result<Self, LinearError> {
        Ok(Self { numbers, place: Place { first, stride, count, width }.check(numbers.len())? })
    }

    /// How many.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.place.count
    }

    /// Numbers of each.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.place.width
    }

    /// One of them, from 0.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &'a [f32] {
        &self.numbers[self.place.range(row)]
    }
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × {}", self.count(), self.width())
    }
}

/// Rows that are written.
pub struct RowsMut<'a> {
    numbers: &'a mut [f32],
    place: Place,
}

impl<'a> RowsMut<'a> {
    /// As [`Rows::new`].
    pub fn new(
        numbers: &'a mut [f32],
        first: usize,
        stride: usize,
        count: usize,
        width: usize,
    ) -> Result<Self, LinearError> {
        let place = Place { first, stride, count, width }.check(numbers.len())?;
        Ok(Self { numbers, place })
    }

    /// How many.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.place.count
    }

    /// Numbers of each.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.place.width
    }

    /// One of them, from 0.
    #[inline(always)]
    pub(super) fn row(&mut self, row: usize) -> &mut [f32] {
        &mut self.numbers[self.place.range(row)]
    }
}
