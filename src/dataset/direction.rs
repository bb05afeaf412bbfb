//! In which classes left and right mean something, by their names: mirrored clips would teach the opposite of what
//! they show.

const DIRECTIONS: [&str; 10] =
    ["left", "right", "clockwise", "counterclockwise", "anticlockwise", "cw", "ccw", "east", "west", "mirrored"];

/// Whether a class's name has a word for a direction, as in `SlideLeft`, `turn_right` or `spin clockwise`.
pub fn names_direction(class: &str) -> bool {
    words(class).iter().any(|word| DIRECTIONS.contains(&word.as_str()))
}

/// The words of a name, in lower case; a capital after a small letter starts one. The directions are plain ASCII, and
/// Unicode's tables of cases would weigh more than the page's words do.
fn words(name: &str) -> Vec<String> {
    let mut spaced = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_small {
            spaced.push(' ');
        }
        spaced.push(letter.to_ascii_lowercase());
        after_small = letter.is_ascii_lowercase() || !letter.is_ascii();
    }
    spaced.split(|letter: char| letter.is_ascii() && !letter.is_ascii_alphanumeric()).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_directions_count_and_words_that_hold_them_do_not() {
        for name in ["SlideLeft", "turn_right", "Spin Clockwise", "RIGHT", "left-hook"] {
            assert!(names_direction(name), "{name}");
        }
        for name in ["Bright", "Cleft", "Wright", "Jumping", "Ärger", ""] {
            assert!(!names_direction(name), "{name}");
        }
    }
}
