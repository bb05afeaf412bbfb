//! Planes of YCbCr 4:2:0 -> RGBA.
//!
//! Comes in: planes of 8 bits or more. Goes out: `[height, width, 4]`, opaque. Chroma is repeated, not interpolated,
//! as ffmpeg's and libyuv's own fast paths do.

use super::messages::{Colour, Matrix, Picture};

/// One plane: rows of `stride` samples.
#[derive(Clone, Copy)]
pub struct Plane<'a, S> {
    pub samples: &'a [S],
    pub stride: usize,
}

impl<S: Copy> Plane<'_, S> {
    fn row(&self, index: usize) -> &[S] {
        let start = index.saturating_mul(self.stride);
        self.samples.get(start..).map_or(&[], |rest| rest.get(..self.stride).unwrap_or(rest))
    }
}

/// Y, Cb and Cr; chroma has half the width and height, rounded up. Without chroma the picture is grey.
pub struct Planes<'a, S> {
    pub luma: Plane<'a, S>,
    pub chroma: Option<[Plane<'a, S>; 2]>,
    pub width: usize,
    pub height: usize,
    /// Bits of a sample.
    pub depth: u8,
}

/// ITU-R BT.601, 709 and 2020 in fixed point with 16 fractional bits.
struct Coefficients {
    luma: i32,
    black: i32,
    red_cr: i32,
    green_cb: i32,
    green_cr: i32,
    blue_cb: i32,
}

impl Coefficients {
    fn of(colour: Colour) -> Self {
        let (red, blue) = match colour.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        };
        let green = 1.0 - red - blue;
        let (luma, chroma, black) = if colour.full_range { (1.0, 1.0, 0) } else { (255.0 / 219.0, 255.0 / 224.0, 16) };
        let fixed = |value: f64| (value * 65536.0).round() as i32;
        Self {
            luma: fixed(luma),
            black,
            red_cr: fixed(2.0 * (1.0 - red) * chroma),
            green_cb: fixed(2.0 * (1.0 - blue) * blue / green * chroma),
            green_cr: fixed(2.0 * (1.0 - red) * red / green * chroma),
            blue_cb: fixed(2.0 * (1.0 - blue) * chroma),
        }
    }
}

impl<S: Copy + Into<i32>> Planes<'_, S> {
    /// `time` in microseconds.
    pub fn picture(&self, time: i64, colour: Colour) -> Picture {
        let coefficients = Coefficients::of(colour);
        let mut rgba = vec![255; self.width * self.height * 4];
        let shift = self.depth.saturating_sub(8);
        let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
        let eight_bits = |sample: &S| (((*sample).into() + half) >> shift).min(255);
        for (y, out) in rgba.chunks_exact_mut((self.width * 4).max(1)).enumerate() {
            let chroma = self.chroma.as_ref().map(|planes| planes.each_ref().map(|plane| plane.row(y / 2)));
            for (x, (pixel, luma)) in out.chunks_exact_mut(4).zip(self.luma.row(y)).enumerate() {
                let sample = |row: &[S]| row.get(x / 2).map_or(0, |sample| eight_bits(sample) - 128);
                let [cb, cr] = chroma.map_or([0, 0], |rows| rows.map(sample));
                let luma = (eight_bits(luma) - coefficients.black) * coefficients.luma + (1 << 15);
                let channels = [
                    luma + coefficients.red_cr * cr,
                    luma - coefficients.green_cb * cb - coefficients.green_cr * cr,
                    luma + coefficients.blue_cb * cb,
                ];
                for (stored, channel) in pixel.iter_mut().zip(channels) {
                    *stored = (channel >> 16).clamp(0, 255) as u8;
                }
            }
        }
        Picture { time: time as f64, width: self.width as u32, height: self.height as u32, rgba }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(luma: u8, cb: u8, cr: u8, colour: Colour) -> [u8; 3] {
        let planes = Planes {
            luma: Plane { samples: &[luma], stride: 1 },
            chroma: Some([Plane { samples: &[cb], stride: 1 }, Plane { samples: &[cr], stride: 1 }]),
            width: 1,
            height: 1,
            depth: 8,
        };
        let rgba = planes.picture(0, colour).rgba;
        [rgba[0], rgba[1], rgba[2]]
    }

    #[test]
    fn black_white_and_the_primaries_are_the_standards() {
        let limited = Colour::default();
        assert_eq!(pixel(16, 128, 128, limited), [0, 0, 0]);
        assert_eq!(pixel(235, 128, 128, limited), [255, 255, 255]);
        // BT.601's red, green and blue in limited range (ITU-R BT.601-7, table 3, rounded).
        let near = |one: [u8; 3], two: [u8; 3]| one.iter().zip(two).all(|(one, two)| one.abs_diff(two) <= 2);
        assert!(near(pixel(81, 90, 240, limited), [255, 0, 0]));
        assert!(near(pixel(145, 54, 34, limited), [0, 255, 0]));
        assert!(near(pixel(41, 240, 110, limited), [0, 0, 255]));
        let full = Colour { full_range: true, ..limited };
        assert_eq!(pixel(200, 128, 128, full), [200, 200, 200]);
        let bt709 = Colour { matrix: Matrix::Bt709, ..limited };
        assert!(near(pixel(63, 102, 240, bt709), [255, 0, 0]));
    }

    #[test]
    fn ten_bits_are_rounded_to_eight_and_short_planes_stay_opaque() {
        let planes =
            Planes { luma: Plane { samples: &[943u16, 64], stride: 2 }, chroma: None, width: 2, height: 2, depth: 10 };
        let picture = planes.picture(7, Colour::default());
        assert_eq!(picture.rgba, [[255; 4], [0, 0, 0, 255], [255; 4], [255; 4]].concat());
        assert_eq!(picture.time, 7.0);
    }
}
