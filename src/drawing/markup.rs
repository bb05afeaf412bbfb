//! HTML text, written so that nothing from a user can become a tag.
//!
//! Comes in: elements whose names and attributes' names are the program's own, and texts. Goes out: HTML. Every text and
//! every attribute's value is escaped here and nowhere else.

/// An attribute's name and its value.
pub type Attribute<'a> = (&'static str, &'a str);

/// HTML that grows.
#[derive(Debug, Default)]
pub struct Markup {
    html: String,
}

impl Markup {
    /// An element with whatever `inside` writes.
    pub fn element(&mut self, tag: &'static str, attributes: &[Attribute<'_>], inside: impl FnOnce(&mut Self)) {
        self.void(tag, attributes);
        inside(self);
        self.html.push_str("</");
        self.html.push_str(tag);
        self.html.push('>');
    }

    /// An element that has no inside and no end, such as an `input`.
    pub fn void(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) {
        self.html.push('<');
        self.html.push_str(tag);
        for (name, value) in attributes {
            self.html.push(' ');
            self.html.push_str(name);
            self.html.push_str("=\"");
            self.text(value);
            self.html.push('"');
        }
        self.html.push('>');
    }

    /// An element with a text in it.
    pub fn leaf(&mut self, tag: &'static str, attributes: &[Attribute<'_>], text: &str) {
        self.element(tag, attributes, |inside| inside.text(text));
    }

    /// An element whose text keeps its lines, as a text area's does.
    pub fn lines(&mut self, tag: &'static str, attributes: &[Attribute<'_>], text: &str) {
        self.element(tag, attributes, |inside| {
            for (number, line) in text.split('\n').enumerate() {
                if number > 0 {
                    inside.html.push('\n');
                }
                inside.text(line);
            }
        });
    }

    /// A text as a reader sees it; control characters, which HTML does not have, become spaces.
    pub fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '"' => self.html.push_str("&quot;"),
                '\'' => self.html.push_str("&#39;"),
                character if character.is_control() => self.html.push(' '),
                character => self.html.push(character),
            }
        }
    }

    /// HTML of the program's own.
    pub fn own(&mut self, html: &'static str) {
        self.html.push_str(html);
    }

    pub fn finish(self) -> String {
        self.html
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_attributes_stay_texts_and_attributes() {
        let mut page = Markup::default();
        page.leaf("p", &[("title", "a\" onload='x'")], "<script>&\u{0}\u{9f}é日");
        assert_eq!(page.finish(), "<p title=\"a&quot; onload=&#39;x&#39;\">&lt;script&gt;&amp;  é日</p>");
    }
}
