//! Just enough of SQL's lexical rules to know where a statement ends, and which table it speaks of.

/// Walks over SQL text.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Leaves out so many bytes.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.text.len());
    }

    /// Reads up to and with the next line that ends a statement, or one empty or comment line between statements.
    pub(super) fn statement(&mut self) -> &'a str {
        let start = self.at;
        let mut is_open = false;
        while let Some(byte) = self.rest().bytes().next() {
            match byte {
                b'\n' if !is_open => {
                    self.skip(1);
                    break;
                }
                b';' => {
                    is_open = false;
                    self.skip(1);
                }
                b'-' if self.rest().starts_with("--") => self.skip(self.rest().find('\n').unwrap_or(self.rest().len())),
                _ => {
                    is_open |= !byte.is_ascii_whitespace();
                    self.token(byte);
                }
            }
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Steps over one token, or one byte of a longer one.
    fn token(&mut self, byte: u8) {
        let rest = self.rest();
        let len = match byte {
            b'\'' => quoted_len(rest, b'\'', false),
            b'"' => quoted_len(rest, b'"', false),
            b'/' if rest.starts_with("/*") => block_comment_len(rest),
            b'$' => dollar_len(rest),
            _ if byte == b'_' || byte.is_ascii_alphabetic() || !byte.is_ascii() => {
                let word = word_len(rest);
                let is_escape = word == 1 && byte.eq_ignore_ascii_case(&b'e') && rest.as_bytes().get(1) == Some(&b'\'');
                if is_escape { 1 + quoted_len(rest.get(1..).unwrap_or_default(), b'\'', true) } else { word }
            }
            _ => 1,
        };
        self.skip(len.max(1));
    }

    /// The next word in upper case, if one comes.
    pub(super) fn word(&mut self) -> Option<String> {
        self.space();
        let len = word_len(self.rest());
        let word = self.rest().get(..len).filter(|word| !word.is_empty())?.to_ascii_uppercase();
        self.skip(len);
        Some(word)
    }

    /// Takes the word if it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let before = self.at;
        let taken = self.word().is_some_and(|next| next == word);
        if !taken {
            self.at = before;
        }
        taken
    }

    /// The next name, qualified or not, as it is written.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        self.space();
        let start = self.at;
        loop {
            let part = match self.rest().bytes().next()? {
                b'"' => quoted_len(self.rest(), b'"', false),
                _ => word_len(self.rest()),
            };
            if part == 0 {
                return None;
            }
            self.skip(part);
            if !self.rest().starts_with('.') {
                return self.text.get(start..self.at);
            }
            self.skip(1);
        }
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.skip(rest.len() - rest.trim_start().len());
    }
}

fn word_len(text: &str) -> usize {
    let is_part = |c: char| c == '_' || c == '$' || c.is_ascii_alphanumeric() || !c.is_ascii();
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// The length of a quoted text with its quotes; a doubled quote stands for one.
fn quoted_len(text: &str, quote: u8, has_escapes: bool) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1).peekable();
    while let Some((at, byte)) = bytes.next() {
        if has_escapes && byte == b'\\' {
            bytes.next();
        } else if byte == quote && bytes.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    text.len()
}

fn block_comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a dollar-quoted text, or of the dollar sign alone.
fn dollar_len(text: &str) -> usize {
    let body = text.get(1..).unwrap_or_default();
    let is_tag = |c: char| c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii();
    let tag_len = body.find(|c| !is_tag(c)).unwrap_or(body.len());
    if !body.get(tag_len..).unwrap_or_default().starts_with('$') || body.starts_with(|c: char| c.is_ascii_digit()) {
        return 1;
    }
    let Some(tag) = text.get(..tag_len + 2) else { return 1 };
    let inner = text.get(tag.len()..).unwrap_or_default();
    inner.find(tag).map_or(text.len(), |end| tag.len() + end + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(text: &str) -> Vec<&str> {
        let mut lexer = Lexer::new(text);
        let mut all = Vec::new();
        while !lexer.is_at_end() {
            all.push(lexer.statement().trim());
        }
        all.retain(|statement| !statement.is_empty());
        all
    }

    #[test]
    fn a_statement_ends_where_the_server_would_end_it() {
        for text in [
            "SELECT ';\n';",
            "SELECT E'\\';\n';",
            "SELECT \"a;\n\"\"b\";",
            "SELECT $a$;\n$b$;\n$a$;",
            "SELECT /* ;\n/* ;\n*/ ;\n*/ 1;",
            "SELECT 1 -- ;\n;",
            "SELECT a$1 FROM t;",
            "SELECT $1\n;",
        ] {
            assert_eq!(statements(&format!("{text}\nSELECT 2;\n")), [text, "SELECT 2;"]);
        }
    }

    #[test]
    fn names_are_read_as_written() {
        let mut lexer = Lexer::new("ALTER TABLE ONLY public.\"a.\"\"b\" ADD");
        assert!(lexer.take("ALTER") && lexer.take("TABLE") && !lexer.take("IF") && lexer.take("ONLY"));
        assert_eq!(lexer.name(), Some("public.\"a.\"\"b\""));
        assert!(lexer.take("ADD") && lexer.name().is_none());
    }
}
