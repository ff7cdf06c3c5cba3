//! Transformations of the plane, as content streams write them.

/// `[a b c d e f]`: x' = ax + cy + e, y' = bx + dy + f.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Matrix(pub [f64; 6]);

impl Matrix {
    pub(super) const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    pub(super) const fn shift(x: f64, y: f64) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y])
    }

    /// What this does and after it `outer`.
    pub(super) fn within(self, outer: Self) -> Self {
        let ([a, b, c, d, e, f], [oa, ob, oc, od, oe, of]) = (self.0, outer.0);
        Self([
            oa * a + oc * b,
            ob * a + od * b,
            oa * c + oc * d,
            ob * c + od * d,
            oa * e + oc * f + oe,
            ob * e + od * f + of,
        ])
    }

    /// Where a point goes.
    pub(super) fn point(self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + c * y + e, b * x + d * y + f)
    }

    /// Where the unit vectors go.
    pub(super) fn axes(self) -> ((f64, f64), (f64, f64)) {
        let [a, b, c, d, ..] = self.0;
        ((a, b), (c, d))
    }
}

#[cfg(test)]
mod tests {
    use super::Matrix;

    #[test]
    fn the_inner_one_is_done_first() {
        let doubled = Matrix([2.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
        assert_eq!(Matrix::shift(1.0, 2.0).within(doubled).point(1.0, 1.0), (4.0, 6.0));
        assert_eq!(doubled.within(Matrix::shift(1.0, 2.0)).point(1.0, 1.0), (3.0, 4.0));
    }
}
