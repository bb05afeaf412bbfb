//! How numbers are stored, and what they are as f32.
//!
//! Comes in: little-endian bytes of a known format. Goes out: f32; and f32 as the bytes of a file that is written.

use half::{bf16, f16};

/// How a tensor's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberFormat {
    F32,
    F16,
    Bf16,
    F64,
    /// Integers, truth values and the like: listed, never loaded.
    Other,
}

/// A format under the name that safetensors gives it, with its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub name: &'static str,
    pub format: NumberFormat,
    /// Of one number; some take less than a byte.
    bits: u8,
}

const fn numbers(name: &'static str, format: NumberFormat, bits: u8) -> Numbers {
    Numbers { name, format, bits }
}

const KNOWN: [Numbers; 22] = [
    numbers("F32", NumberFormat::F32, 32),
    numbers("F16", NumberFormat::F16, 16),
    numbers("BF16", NumberFormat::Bf16, 16),
    numbers("F64", NumberFormat::F64, 64),
    numbers("BOOL", NumberFormat::Other, 8),
    numbers("U8", NumberFormat::Other, 8),
    numbers("I8", NumberFormat::Other, 8),
    numbers("U16", NumberFormat::Other, 16),
    numbers("I16", NumberFormat::Other, 16),
    numbers("U32", NumberFormat::Other, 32),
    numbers("I32", NumberFormat::Other, 32),
    numbers("U64", NumberFormat::Other, 64),
    numbers("I64", NumberFormat::Other, 64),
    numbers("C64", NumberFormat::Other, 64),
    numbers("F8_E4M3", NumberFormat::Other, 8),
    numbers("F8_E5M2", NumberFormat::Other, 8),
    numbers("F8_E8M0", NumberFormat::Other, 8),
    numbers("F8_E4M3FNUZ", NumberFormat::Other, 8),
    numbers("F8_E5M2FNUZ", NumberFormat::Other, 8),
    numbers("F6_E2M3", NumberFormat::Other, 6),
    numbers("F6_E3M2", NumberFormat::Other, 6),
    numbers("F4", NumberFormat::Other, 4),
];

impl Numbers {
    /// The format of that name in safetensors.
    pub fn named(name: &str) -> Option<Self> {
        KNOWN.into_iter().find(|known| known.name == name)
    }

    /// What a tensor of this shape takes, in bytes; nothing where that is not a number of bytes that exists.
    pub fn bytes(self, shape: &[usize]) -> Option<u64> {
        let bits = values(shape)?.checked_mul(self.bits.into())?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }
}

/// Values in a tensor of this shape.
pub(super) fn values(shape: &[usize]) -> Option<u64> {
    shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size.try_into().ok()?))
}

impl NumberFormat {
    /// Bytes of one number; nothing for what is never loaded.
    pub(super) fn size(self) -> Option<usize> {
        match self {
            Self::F32 => Some(4),
            Self::F16 | Self::Bf16 => Some(2),
            Self::F64 => Some(8),
            Self::Other => None,
        }
    }

    /// Adds the numbers in `bytes` to `values`.
    pub(super) fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F32 => values.extend(chunks(bytes).map(f32::from_le_bytes)),
            Self::F16 => values.extend(chunks(bytes).map(|number| f16::from_le_bytes(number).to_f32())),
            Self::Bf16 => values.extend(chunks(bytes).map(|number| bf16::from_le_bytes(number).to_f32())),
            Self::F64 => values.extend(chunks(bytes).map(|number| f64::from_le_bytes(number) as f32)),
            Self::Other => (),
        }
    }
}

fn chunks<const SIZE: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; SIZE]> {
    bytes.as_chunks().0.iter().copied()
}

/// Adds `value` to `bytes` as 16 bits; false where it is beyond what they can hold.
pub(super) fn encode_f16(value: f32, bytes: &mut Vec<u8>) -> bool {
    let number = f16::from_f32(value);
    bytes.extend(number.to_le_bytes());
    number.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(format: NumberFormat, bytes: &[u8]) -> Vec<f32> {
        let mut values = Vec::new();
        format.decode(bytes, &mut values);
        values
    }

    #[test]
    fn every_loaded_format_gives_the_numbers_that_its_bits_mean() {
        assert_eq!(decoded(NumberFormat::F32, &1.5f32.to_le_bytes()), [1.5]);
        assert_eq!(decoded(NumberFormat::F64, &(-0.1f64).to_le_bytes()), [-0.1]);
        // The smallest subnormal, the largest, and minus two.
        assert_eq!(decoded(NumberFormat::F16, &[1, 0, 0xff, 0x7b, 0, 0xc0]), [2f32.powi(-24), 65504.0, -2.0]);
        assert_eq!(decoded(NumberFormat::Bf16, &[0x80, 0x3f, 0x49, 0x40]), [1.0, 3.140625]);
        assert!(decoded(NumberFormat::Other, &[1, 2, 3, 4]).is_empty());
    }

    #[test]
    fn sixteen_bits_round_to_even_and_say_what_they_cannot_hold() {
        let mut bytes = Vec::new();
        assert!(encode_f16(2049.0, &mut bytes) && encode_f16(65519.0, &mut bytes));
        assert_eq!(decoded(NumberFormat::F16, &bytes), [2048.0, 65504.0]);
        assert!(!encode_f16(65520.0, &mut bytes));
    }

    #[test]
    fn sizes_that_do_not_exist_have_no_bytes() {
        let f32 = Numbers::named("F32").unwrap();
        let f4 = Numbers::named("F4").unwrap();
        assert_eq!((f32.bytes(&[]), f32.bytes(&[2, 0]), f32.bytes(&[2, 3])), (Some(4), Some(0), Some(24)));
        assert_eq!((f4.bytes(&[3]), f4.bytes(&[4])), (None, Some(2)));
        assert_eq!((f32.bytes(&[1 << 31, 1 << 31]), f32.bytes(&[usize::MAX, 2, 0])), (None, None));
        assert_eq!(Numbers::named("F128"), None);
    }
}
