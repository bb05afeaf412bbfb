//! A packet's bytes -> whether it is only there for others to refer to.
//!
//! Comes in: a packet of a codec that has such packets. Goes out: whether its frame is never shown.

/// In which codec packets may hide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hiding {
    None,
    Vp8,
    Vp9,
}

impl Hiding {
    pub fn of(codec: &str) -> Self {
        match codec {
            "VP8" => Self::Vp8,
            "VP9" => Self::Vp9,
            _ => Self::None,
        }
    }

    pub fn hides(self, packet: &[u8]) -> bool {
        let Some(&first) = packet.first() else { return false };
        match self {
            Self::None => false,
            // Bit 4 is show_frame (RFC 6386, 9.1).
            Self::Vp8 => first & 0x10 == 0,
            Self::Vp9 => !ends_with_index(packet) && vp9_hides(first),
        }
    }
}

/// uncompressed_header of the VP9 bitstream specification, 6.2: frame_marker, the profile's two bits and for profile 3
/// one more, show_existing_frame, frame_type, show_frame.
fn vp9_hides(first: u8) -> bool {
    const PROFILE_3: u8 = 0x30;
    let rest = if first & PROFILE_3 == PROFILE_3 { first << 5 } else { first << 4 };
    let (show_existing_frame, show_frame) = (rest & 0x80 != 0, rest & 0x20 != 0);
    !show_existing_frame && !show_frame
}

/// Annex B: several frames in one packet, the last of which is shown, end with an index of them.
fn ends_with_index(packet: &[u8]) -> bool {
    let Some(&last) = packet.last() else { return false };
    let (frames, bytes_of_each) = (usize::from(last & 7) + 1, usize::from(last >> 3 & 3) + 1);
    let length = 2 + frames * bytes_of_each;
    let starts_alike = packet.len().checked_sub(length).and_then(|start| packet.get(start)) == Some(&last);
    last & 0xe0 == 0xc0 && starts_alike
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_are_only_referred_to_are_told_by_their_first_byte() {
        assert!(Hiding::Vp8.hides(&[0x00]) && !Hiding::Vp8.hides(&[0x10]));
        // Profile 0: a key frame that is shown, an inter frame that is, one that is not, and an earlier one shown again.
        assert_eq!([0x82, 0x86, 0x84, 0x88].map(|first| Hiding::Vp9.hides(&[first, 0])), [false, false, true, false]);
        // Profile 2, and profile 3 with its reserved bit.
        assert_eq!([0x94, 0x96, 0xb2, 0xb3].map(|first| Hiding::Vp9.hides(&[first, 0])), [true, false, true, false]);
        assert!(!Hiding::None.hides(&[0x84]) && !Hiding::Vp9.hides(&[]));
    }

    #[test]
    fn a_packet_of_several_frames_is_shown() {
        let index = [0xc1, 1, 1, 0xc1];
        assert!(!Hiding::Vp9.hides(&[[0x84, 0x86].as_slice(), &index].concat()));
        assert!(Hiding::Vp9.hides(&[0x84, 0x86, 0xc1]));
    }
}
