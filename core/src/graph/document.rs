//! Documents within values: JSON and arrays, and the way through them to what they refer to.
//!
//! Owns the reading of a document and the steps of a way. A document that can't be read refers to nothing: whether a
//! value is well-formed is its source's business, not that of references.

use serde_json::Value;

use super::rules::RuleError;

/// Levels of an array that are read.
const ARRAY_LEVELS_MAX: usize = 32;

/// A way through a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    AnyElement,
    Element(usize),
    AnyMember,
    Member(String),
}

impl Way {
    /// Reads a way such as `[*][0].name.*`; a `$` may stand before it.
    pub(super) fn parse(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Path { path: text.to_owned() };
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('[') {
                let (index, after) = after.split_once(']').ok_or_else(wrong)?;
                steps.push(match index {
                    "*" => Step::AnyElement,
                    index => Step::Element(index.parse().map_err(|_| wrong())?),
                });
                rest = after;
            } else {
                let after = rest.strip_prefix('.').ok_or_else(wrong)?;
                let (name, after) = after.split_at(after.find(['.', '[']).unwrap_or(after.len()));
                steps.push(match name {
                    "" => return Err(wrong()),
                    "*" => Step::AnyMember,
                    name => Step::Member(name.to_owned()),
                });
                rest = after;
            }
        }
        Ok(Self(steps))
    }

    /// Visits what stands at the end of the way, as often as there is something.
    pub(super) fn visit<E>(&self, document: &Value, visit: &mut dyn FnMut(&Value) -> Result<(), E>) -> Result<(), E> {
        walk(&self.0, document, visit)
    }
}

fn walk<E>(steps: &[Step], at: &Value, visit: &mut dyn FnMut(&Value) -> Result<(), E>) -> Result<(), E> {
    let Some((step, rest)) = steps.split_first() else { return visit(at) };
    match (step, at) {
        (Step::AnyElement, Value::Array(elements)) => elements.iter().try_for_each(|below| walk(rest, below, visit)),
        (Step::Element(index), Value::Array(elements)) => {
            elements.get(*index).map_or(Ok(()), |below| walk(rest, below, visit))
        }
        (Step::AnyMember, Value::Object(members)) => members.values().try_for_each(|below| walk(rest, below, visit)),
        (Step::Member(name), Value::Object(members)) => {
            members.get(name).map_or(Ok(()), |below| walk(rest, below, visit))
        }
        _ => Ok(()),
    }
}

/// The document that a text holds: JSON, or an array in braces as PostgreSQL writes it. Nothing if it is neither, or
/// so plainly empty that there is no use in reading it.
pub(super) fn read(text: &[u8], is_array: bool) -> Option<Value> {
    if matches!(text, b"{}" | b"[]" | b"null" | b"") {
        return None;
    }
    if is_array { Array::read(text) } else { serde_json::from_slice(text).ok() }
}

/// A reader of arrays in braces: `{39:1,"a b",{1,NULL}}`.
struct Array<'t> {
    rest: &'t [u8],
}

impl<'t> Array<'t> {
    fn read(text: &'t [u8]) -> Option<Value> {
        // Lower bounds may stand before: `[0:1]={1,2}`.
        let start = text.iter().position(|byte| *byte == b'{')?;
        let mut array = Self { rest: text.get(start..)? };
        array.value(0)
    }

    fn value(&mut self, level: usize) -> Option<Value> {
        match self.rest.first()? {
            b'{' if level < ARRAY_LEVELS_MAX => self.elements(level),
            b'"' => self.quoted(),
            _ => self.plain(),
        }
    }

    fn elements(&mut self, level: usize) -> Option<Value> {
        let mut elements = Vec::new();
        self.skip(b'{')?;
        while *self.rest.first()? != b'}' {
            elements.push(self.value(level + 1)?);
            if *self.rest.first()? == b',' {
                self.skip(b',')?;
            }
        }
        self.skip(b'}')?;
        Some(Value::Array(elements))
    }

    fn skip(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    fn plain(&mut self) -> Option<Value> {
        let end = self.rest.iter().position(|byte| matches!(byte, b',' | b'}'))?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(if text == b"NULL" { Value::Null } else { String::from_utf8_lossy(text).into() })
    }

    fn quoted(&mut self) -> Option<Value> {
        self.skip(b'"')?;
        let mut text = Vec::new();
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => return Some(String::from_utf8_lossy(&text).into()),
                b'\\' => {
                    let (escaped, rest) = self.rest.split_first()?;
                    text.push(*escaped);
                    self.rest = rest;
                }
                byte => text.push(*byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, document: &str, is_array: bool) -> Vec<String> {
        let mut found = Vec::new();
        let document = read(document.as_bytes(), is_array).unwrap();
        let done: Result<(), ()> = Way::parse(path).unwrap().visit(&document, &mut |value| {
            found.push(value.to_string());
            Ok(())
        });
        done.unwrap();
        found
    }

    #[test]
    fn a_way_leads_through_elements_and_members() {
        let document = r#"{"a": [[1, 2], [3]], "b": {"c": "x", "d": null}}"#;
        assert_eq!(found("$.a[*][*]", document, false), ["1", "2", "3"]);
        assert_eq!(found(".a[1][0]", document, false), ["3"]);
        assert_eq!(found(".b.*", document, false), ["\"x\"", "null"]);
        assert_eq!(found(".a.c[*]", document, false), [""; 0]);
        for wrong in ["a", "[", "[x]", "..", ".", "$$"] {
            assert!(Way::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_array_in_braces_is_read_with_quotes_and_bounds() {
        assert_eq!(found("[*]", "{39:1,\"a,\\\"b\\\\\",NULL}", true), ["\"39:1\"", "\"a,\\\"b\\\\\"", "null"]);
        assert_eq!(found("[*][*]", "[0:1][1:1]={{1},{2}}", true), ["\"1\"", "\"2\""]);
        for broken in ["{", "{1", "{\"", "x", "{{1}"] {
            assert_eq!(read(broken.as_bytes(), true), None, "{broken}");
        }
        let deep = "{".repeat(100_000);
        assert_eq!(read(deep.as_bytes(), true), None);
    }
}
