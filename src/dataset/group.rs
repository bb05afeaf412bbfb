//! A file's name -> the recording that it was cut from.
//!
//! Comes in: a name such as `v_SpinLeft_g03_c01.webm`. Goes out: `g03`. Clips of one group never lie in two splits,
//! because a clip that looks like a training clip flatters the accuracy.

/// The group that the name in a path tells: `g` and digits between underscores, as UCF101 and HMDB51 write it.
pub fn group(path: &str) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let parts: Vec<&str> = stem.split('_').collect();
    // The first part cannot be a group: an underscore stands before it.
    parts.iter().skip(1).rev().find(|part| is_group(part)).map(|part| part.to_lowercase())
}

fn is_group(part: &str) -> bool {
    part.strip_prefix(['g', 'G'])
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_read_where_the_name_carries_one() {
        let told = |name| group(name);
        assert_eq!(told("v_SpinLeft_g03_c01.webm").as_deref(), Some("g03"));
        assert_eq!(told("v_Golf_g1_swing_g12_c01.avi").as_deref(), Some("g12"));
        assert_eq!(told("a_G7.mp4").as_deref(), Some("g7"));
        assert_eq!(told("x_g1/v_Golf_g12_c01.avi").as_deref(), Some("g12"));
        assert_eq!(told("x_g1/a.avi"), None);
        assert_eq!(told("g03_c01.mp4"), None);
        assert_eq!(told("v_going_c01.mp4"), None);
        assert_eq!(told("v_g_c01.mp4"), None);
        assert_eq!(told("clip.mp4"), None);
        assert_eq!(told(""), None);
    }
}
