//! Polygons that are blacked out. Every pixel that one touches is black, and a rim of up to a pixel around it.

use std::ops::Range;

use super::config::CameraConfigError;

/// Masks of one camera.
pub const MASKS_MAX: usize = 16;
/// Corners of one mask.
pub const POINTS_MAX: usize = 64;
/// Samples an edge is walked with, per pixel of its length.
const EDGE_STEPS: f64 = 4.0;

/// A polygon over the picture: corners with 0, 0 at its top left and 1, 1 at its bottom right, closed by itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Mask(Vec<[f32; 2]>);

impl Mask {
    /// From 3 to [`POINTS_MAX`] corners, each coordinate within 0 to 1.
    pub fn new(points: Vec<[f32; 2]>) -> Result<Self, CameraConfigError> {
        let range = |given: String, least: &str, most: String| CameraConfigError::Range {
            given,
            least: least.to_owned(),
            most,
        };
        if !(3..=POINTS_MAX).contains(&points.len()) {
            return Err(range(format!("a mask of {} corners", points.len()), "3", POINTS_MAX.to_string()));
        }
        if let Some(outside) = points.iter().flatten().find(|c| !(0.0..=1.0).contains(*c)) {
            return Err(range(format!("coordinate {outside} of a mask"), "0", "1".to_owned()));
        }
        Ok(Self(points))
    }

    fn edges(&self, width: u32, height: u32) -> impl Iterator<Item = [(f64, f64); 2]> {
        let corner =
            move |point: &[f32; 2]| (f64::from(point[0]) * f64::from(width), f64::from(point[1]) * f64::from(height));
        let next = self.0.iter().cycle().skip(1);
        self.0.iter().zip(next).map(move |(from, to)| [corner(from), corner(to)])
    }
}

/// The pixels that masks cover in pictures of one size.
#[derive(Clone, PartialEq, Debug)]
pub struct Cover {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Stretches of covered pixels, counted row by row through the picture, in their order.
    spans: Vec<Range<usize>>,
}

impl Cover {
    /// Of pictures of `width` × `height` pixels, both at least 1.
    #[must_use]
    pub fn new(masks: &[Mask], width: u32, height: u32) -> Self {
        let mut plan = Plan { width, height, covered: vec![false; width as usize * height as usize] };
        for mask in masks {
            let edges: Vec<_> = mask.edges(width, height).collect();
            plan.fill(&edges);
            edges.iter().for_each(|edge| plan.trace(*edge));
        }
        let (mut spans, mut begin) = (Vec::new(), 0);
        for stretch in plan.covered.chunk_by(PartialEq::eq) {
            let end = begin + stretch.len();
            if stretch[0] {
                spans.push(begin..end);
            }
            begin = end;
        }
        Self { width, height, spans }
    }

    /// Blackens covered pixels; `pixels` are three bytes each, row by row.
    ///
    /// # Panics
    /// When there are fewer pixels than the covered picture has.
    pub fn blacken(&self, pixels: &mut [u8]) {
        for span in &self.spans {
            pixels[3 * span.start..3 * span.end].fill(0);
        }
    }
}

/// Pixel by pixel, while it is worked out.
struct Plan {
    width: u32,
    height: u32,
    covered: Vec<bool>,
}

impl Plan {
    /// Pixels whose centre is inside, by the even-odd rule.
    fn fill(&mut self, edges: &[[(f64, f64); 2]]) {
        for row in 0..self.height {
            let y = f64::from(row) + 0.5;
            let mut crossings: Vec<f64> = edges
                .iter()
                .filter(|[from, to]| (from.1 <= y) != (to.1 <= y))
                .map(|[from, to]| from.0 + (y - from.1) / (to.1 - from.1) * (to.0 - from.0))
                .collect();
            crossings.sort_by(f64::total_cmp);
            for span in crossings.chunks_exact(2) {
                let first = (span[0] - 0.5).ceil().max(0.0) as u32;
                let end = ((span[1] - 0.5).floor() + 1.0).clamp(0.0, f64::from(self.width)) as u32;
                (first..end).for_each(|column| self.cover(column, row));
            }
        }
    }

    /// Pixels that an edge goes through, with their neighbours: so none is missed between two samples of the edge.
    fn trace(&mut self, [from, to]: [(f64, f64); 2]) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = (dx.hypot(dy) * EDGE_STEPS).ceil().max(1.0) as u32;
        for step in 0..=steps {
            let share = f64::from(step) / f64::from(steps);
            let (x, y) = (from.0 + share * dx, from.1 + share * dy);
            let around = |at: f64| (at as u32).saturating_sub(1)..=at as u32 + 1;
            around(y).for_each(|row| around(x).for_each(|column| self.cover(column, row)));
        }
    }

    fn cover(&mut self, column: u32, row: u32) {
        // The far border belongs to the last pixel.
        let (column, row) = (column.min(self.width - 1), row.min(self.height - 1));
        if let Some(pixel) = self.covered.get_mut(row as usize * self.width as usize + column as usize) {
            *pixel = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rectangle_covers_its_pixels_and_a_rim() {
        let mask = Mask::new(vec![[0.26, 0.26], [0.74, 0.26], [0.74, 0.74], [0.26, 0.74]]).unwrap();
        let cover = Cover::new(&[mask], 8, 8);
        let mut pixels = vec![255; 8 * 8 * 3];
        cover.blacken(&mut pixels);
        for (index, pixel) in pixels.chunks_exact(3).enumerate() {
            let inside = (1..7).contains(&(index % 8)) && (1..7).contains(&(index / 8));
            assert_eq!(pixel == [0, 0, 0], inside, "pixel {index}");
        }
    }

    #[test]
    fn corners_are_counted_and_coordinates_checked() {
        assert!(Mask::new(vec![[0.0, 0.0], [1.0, 1.0]]).is_err());
        let error = Mask::new(vec![[0.0, 0.0], [1.5, 1.0], [0.0, 1.0]]).unwrap_err();
        assert_eq!(error.to_string(), "coordinate 1.5 of a mask is outside 0 to 1");
        assert!(Mask::new(vec![[f32::NAN, 0.0]; 3]).is_err());
    }

    proptest! {
        #[test]
        fn every_point_of_a_triangle_is_covered(
            corners in prop::array::uniform3(prop::array::uniform2(0.0_f32..=1.0)),
            weights in prop::array::uniform3(0.01_f64..1.0),
            width in 1_u32..40,
            height in 1_u32..40,
        ) {
            let cover = Cover::new(&[Mask::new(corners.to_vec()).unwrap()], width, height);
            let total: f64 = weights.iter().sum();
            let along = |axis: usize| {
                corners.iter().zip(weights).map(|(c, w)| f64::from(c[axis]) * w / total).sum::<f64>()
            };
            let column = ((along(0) * f64::from(width)) as u32).min(width - 1);
            let row = ((along(1) * f64::from(height)) as u32).min(height - 1);
            let mut pixels = vec![255; 3 * (width * height) as usize];
            cover.blacken(&mut pixels);
            prop_assert_eq!(&pixels[3 * (row * width + column) as usize..][..3], [0; 3]);
        }
    }
}
