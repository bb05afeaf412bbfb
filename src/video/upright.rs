//! Decoded pixels, as the camera stored them -> an upright [`Frame`].
//!
//! Comes in: RGBA rows and how the container says to turn them. Goes out: RGB, turned. Never resizes.

use super::Frame;

/// How a stored picture becomes upright: turned clockwise, then mirrored left to right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    /// Quarter turns clockwise, 0 to 3.
    pub quarter_turns: u8,
    pub mirrored: bool,
}

impl Orientation {
    /// Width and height after turning.
    pub fn turned(self, width: u32, height: u32) -> (u32, u32) {
        if self.quarter_turns.is_multiple_of(2) { (width, height) } else { (height, width) }
    }

    /// `rgba` is `[height, width, 4]`; pixels that it lacks stay black.
    pub fn frame(self, rgba: &[u8], width: u32, height: u32) -> Frame {
        let (out_width, out_height) = self.turned(width, height);
        let stored = rgba.as_chunks::<4>().0;
        let mut rgb = vec![0; out_width as usize * out_height as usize * 3];
        let rows = rgb.chunks_exact_mut(out_width.max(1) as usize * 3).enumerate();
        for (row, pixels) in rows {
            let (mut from, step) = self.walk(row, width as usize, height as usize);
            for pixel in pixels.as_chunks_mut().0 {
                if let Some([red, green, blue, _]) = stored.get(from) {
                    *pixel = [*red, *green, *blue];
                }
                from = from.wrapping_add_signed(step);
            }
        }
        Frame { width: out_width, height: out_height, rgb }
    }

    /// Where in the stored picture an upright row begins, and how far its next pixel lies, in pixels.
    fn walk(self, row: usize, width: usize, height: usize) -> (usize, isize) {
        let (last_row, line) = ((height - 1) * width, width as isize);
        let (start, step) = match self.quarter_turns % 4 {
            0 => (row * width, 1),
            1 => (last_row + row, -line),
            2 => (last_row - row * width + width - 1, -1),
            _ => (width - 1 - row, line),
        };
        if !self.mirrored {
            return (start, step);
        }
        let (columns, _) = self.turned(width as u32, height as u32);
        (start.wrapping_add_signed(step * (columns as isize - 1)), -step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 rows of 3 pixels, numbered 1 to 6 in the red channel.
    fn turned(quarter_turns: u8, mirrored: bool) -> (u32, u32, Vec<u8>) {
        let rgba: Vec<u8> = (1..=6).flat_map(|red| [red, 0, 0, 255]).collect();
        let frame = Orientation { quarter_turns, mirrored }.frame(&rgba, 3, 2);
        (frame.width, frame.height, frame.rgb.iter().step_by(3).copied().collect())
    }

    #[test]
    fn turns_are_clockwise_and_mirrors_come_after() {
        assert_eq!(turned(0, false), (3, 2, vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(turned(1, false), (2, 3, vec![4, 1, 5, 2, 6, 3]));
        assert_eq!(turned(2, false), (3, 2, vec![6, 5, 4, 3, 2, 1]));
        assert_eq!(turned(3, false), (2, 3, vec![3, 6, 2, 5, 1, 4]));
        assert_eq!(turned(0, true), (3, 2, vec![3, 2, 1, 6, 5, 4]));
        assert_eq!(turned(1, true), (2, 3, vec![1, 4, 2, 5, 3, 6]));
    }

    #[test]
    fn missing_pixels_are_black_and_empty_pictures_are_empty() {
        let frame = Orientation::default().frame(&[9, 9, 9, 255], 2, 1);
        assert_eq!(frame.rgb, [9, 9, 9, 0, 0, 0]);
        assert!(Orientation::default().frame(&[], 0, 0).rgb.is_empty());
    }
}
