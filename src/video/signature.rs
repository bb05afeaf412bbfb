//! The first bytes of a file -> what kind of file it is.
//!
//! Comes in: the start of a file. Goes out: a [`Signature`]. Only tells kinds apart for what the page says about
//! files that it cannot open; never decides whether one can be decoded.

/// How much of a file's start [`Signature::of`] wants.
pub const SIGNATURE_BYTES: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// mp4, mov, m4v, 3gp.
    Mp4,
    /// mkv, webm.
    Matroska,
    Avi,
    MpegTransport,
    MpegProgram,
    Flash,
    Ogg,
    /// wmv, asf.
    WindowsMedia,
    Gif,
    /// mp3, wav, flac and the like.
    Sound,
    Picture,
    Pdf,
    Zip,
    Text,
    Unknown,
}

impl Signature {
    /// What `start`, the first [`SIGNATURE_BYTES`] of a file or all of it, looks like.
    pub fn of(start: &[u8]) -> Self {
        let at = |offset: usize, bytes: &[u8]| start.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
        let boxes: [&[u8]; 8] = [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"pnot"];
        if boxes.iter().any(|name| at(4, name)) {
            Self::Mp4
        } else if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) {
            Self::Matroska
        } else if at(0, b"RIFF") {
            match start.get(8..11) {
                Some(b"AVI") => Self::Avi,
                Some(b"WAV") => Self::Sound,
                Some(b"WEB") => Self::Picture,
                _ => Self::Unknown,
            }
        } else if at(0, &[0, 0, 1, 0xba]) || at(0, &[0, 0, 1, 0xb3]) {
            Self::MpegProgram
        } else if (at(0, &[0x47]) && at(188, &[0x47])) || (at(4, &[0x47]) && at(196, &[0x47])) {
            Self::MpegTransport
        } else if at(0, b"FLV") {
            Self::Flash
        } else if at(0, b"OggS") {
            Self::Ogg
        } else if at(0, &[0x30, 0x26, 0xb2, 0x75]) {
            Self::WindowsMedia
        } else if at(0, b"GIF8") {
            Self::Gif
        } else if at(0, b"ID3") || at(0, b"fLaC") || at(0, &[0xff, 0xfb]) || at(0, &[0xff, 0xf1]) {
            Self::Sound
        } else if at(0, &[0x89, b'P', b'N', b'G']) || at(0, &[0xff, 0xd8, 0xff]) || at(0, b"BM") {
            Self::Picture
        } else if at(0, b"%PDF") {
            Self::Pdf
        } else if at(0, b"PK") {
            Self::Zip
        } else if is_text(start) {
            Self::Text
        } else {
            Self::Unknown
        }
    }

    /// With its article, for a sentence: "an AVI file".
    pub fn described(self) -> &'static str {
        match self {
            Self::Mp4 => "an mp4 or mov file",
            Self::Matroska => "a webm or mkv file",
            Self::Avi => "an AVI file",
            Self::MpegTransport => "an MPEG transport stream",
            Self::MpegProgram => "an MPEG program stream",
            Self::Flash => "a Flash video",
            Self::Ogg => "an Ogg file",
            Self::WindowsMedia => "a Windows Media file",
            Self::Gif => "a GIF",
            Self::Sound => "a sound file",
            Self::Picture => "a picture",
            Self::Pdf => "a PDF",
            Self::Zip => "a zip archive",
            Self::Text => "a text file",
            Self::Unknown => "a file of an unknown kind",
        }
    }

    /// No video of any kind.
    pub fn is_no_video(self) -> bool {
        matches!(self, Self::Sound | Self::Picture | Self::Pdf | Self::Zip | Self::Text)
    }
}

/// UTF-8 without control characters; a character may be cut off at the end.
fn is_text(start: &[u8]) -> bool {
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            start.get(..error.valid_up_to()).and_then(|head| std::str::from_utf8(head).ok()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty() && valid.chars().all(|letter| !letter.is_control() || letter.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        assert_eq!(Signature::of(b"\0\0\0\x20ftypisom"), Signature::Mp4);
        assert_eq!(Signature::of(b"RIFF\0\0\0\0AVI LIST"), Signature::Avi);
        assert_eq!(Signature::of(&[0x1a, 0x45, 0xdf, 0xa3, 0]), Signature::Matroska);
        assert_eq!(Signature::of("just a note 🙂\n".as_bytes()), Signature::Text);
        assert_eq!(Signature::of("cut 🙂".as_bytes().get(..6).unwrap_or_default()), Signature::Text);
        assert_eq!(Signature::of(&[]), Signature::Unknown);
        assert_eq!(Signature::of(&[0, 1, 2, 3]), Signature::Unknown);
    }
}
