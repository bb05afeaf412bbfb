//! The checksums by which the Hub names its files.
//!
//! Comes in: a file's bytes, piece by piece. Goes out: whether they are the file's. Never holds more than a piece.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A file's checksum, in lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Of the bytes: large files.
    Sha256(String),
    /// Of git's `blob`: files that git itself keeps.
    GitSha1(String),
}

impl Checksum {
    /// None where the text is not one.
    pub fn sha256(hex: &str) -> Option<Self> {
        is_hex(hex, 64).then(|| Self::Sha256(hex.to_ascii_lowercase()))
    }

    /// None where the text is not one.
    pub fn git_sha1(hex: &str) -> Option<Self> {
        is_hex(hex, 40).then(|| Self::GitSha1(hex.to_ascii_lowercase()))
    }

    pub fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::GitSha1(hex) => hex,
        }
    }

    /// Whether a whole file in memory is the one.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        let mut running = Running::new(self, bytes.len() as u64);
        running.update(bytes);
        running.fits(self)
    }
}

/// A checksum of the bytes so far.
#[derive(Clone, Debug)]
pub enum Running {
    Sha256(Sha256),
    GitSha1(Sha1),
}

impl Running {
    /// For a file of `length` bytes.
    pub fn new(checksum: &Checksum, length: u64) -> Self {
        match checksum {
            Checksum::Sha256(_) => Self::Sha256(Sha256::new()),
            Checksum::GitSha1(_) => Self::GitSha1(Sha1::new_with_prefix(format!("blob {length}\0"))),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(running) => running.update(bytes),
            Self::GitSha1(running) => running.update(bytes),
        }
    }

    pub fn fits(self, checksum: &Checksum) -> bool {
        let hex = match self {
            Self::Sha256(running) => hex(&running.finalize()),
            Self::GitSha1(running) => hex(&running.finalize()),
        };
        hex == checksum.hex()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    /// `printf abc | git hash-object --stdin`
    const GIT_SHA1_OF_ABC: &str = "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f";

    #[test]
    fn checksums_are_those_of_sha256sum_and_git() {
        for checksum in [Checksum::sha256(SHA256_OF_ABC), Checksum::git_sha1(GIT_SHA1_OF_ABC)] {
            let checksum = checksum.unwrap();
            assert!(checksum.fits(b"abc"));
            assert!(!checksum.fits(b"abd"));
            let mut pieces = Running::new(&checksum, 3);
            pieces.update(b"a");
            pieces.update(b"bc");
            assert!(pieces.fits(&checksum));
        }
    }

    #[test]
    fn the_case_of_the_digits_does_not_matter_and_other_texts_are_refused() {
        assert!(Checksum::sha256(&SHA256_OF_ABC.to_uppercase()).unwrap().fits(b"abc"));
        for text in ["", "ba78", &SHA256_OF_ABC.replace('b', "x"), GIT_SHA1_OF_ABC] {
            assert_eq!(Checksum::sha256(text), None);
        }
        assert_eq!(Checksum::git_sha1(SHA256_OF_ABC), None);
    }
}
