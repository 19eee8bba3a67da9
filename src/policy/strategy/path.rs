//! Places in a JSON document: `$.user.email`, `$.orders[*].address["post code"]`.
//!
//! A part of JSONPath (RFC 9535): members by name, and `[*]` for every element of an array. A name stands for a member of
//! an object alone, `[*]` for elements of an array alone.

use std::fmt;

/// A step from a value to values inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The member of an object of that name, however often it is there.
    Member(String),
    /// Every element of an array.
    Each,
}

/// A place in a document; never the whole of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.strip_prefix('$').ok_or("a path begins with `$`, the document, such as `$.user.email`")?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = first_step(rest).ok_or_else(|| {
                format!("`{rest}` is no step of a path: write `.name`, `[\"a name with other signs\"]`, or `[*]` for every element")
            })?;
            steps.push(step);
            rest = after;
        }
        if steps.is_empty() {
            return Err("`$` is the whole document; `null` or `fixed` for the column would do".to_owned());
        }
        Ok(Self(steps))
    }

    /// The steps from the document to the place; at least one.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether the place is that of `other`, or inside it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

fn first_step(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix("[*]") {
        return Some((Step::Each, rest));
    }
    if let Some(rest) = text.strip_prefix('.') {
        let length = rest.find(|sign: char| !(sign.is_alphanumeric() || sign == '_')).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(length);
        let is_name = !name.is_empty() && !name.starts_with(|sign: char| sign.is_ascii_digit());
        return is_name.then(|| (Step::Member(name.to_owned()), rest));
    }
    let quoted = text.strip_prefix('[')?;
    let quote = quoted.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (name, rest) = quoted[1..].split_once(quote)?;
    let is_plain = !name.contains(|sign: char| sign == '\\' || sign.is_control());
    is_plain.then_some((Step::Member(name.to_owned()), rest.strip_prefix(']')?))
}

impl fmt::Display for JsonPath {
    /// One spelling for each place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        self.0.iter().try_for_each(|step| match step {
            Step::Each => f.write_str("[*]"),
            Step::Member(name) if name.contains('"') => write!(f, "['{name}']"),
            Step::Member(name) => write!(f, "[\"{name}\"]"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_and_elements() {
        let member = |name: &str| Step::Member(name.to_owned());
        for (text, steps) in [
            ("$.user.email", vec![member("user"), member("email")]),
            ("$.orders[*].ip", vec![member("orders"), Step::Each, member("ip")]),
            ("$[*]", vec![Step::Each]),
            ("$[\"post code\"]['it\"s'].ünder_9", vec![member("post code"), member("it\"s"), member("ünder_9")]),
            ("$[\"\"]", vec![member("")]),
        ] {
            let path = JsonPath::parse(text).unwrap();
            assert_eq!(path.steps(), steps, "{text}");
            assert_eq!(JsonPath::parse(&path.to_string()).unwrap(), path, "{path}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "user", "$", "$.", "$user", "$.a.", "$.9", "$.a b", "$[0]", "$..a", "$.*", "$[\"a]", "$[\"a\\\"b\"]", "$['a'b]", "$.a[*"]
        {
            assert!(JsonPath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_place_lies_within_what_leads_to_it() {
        let path = |text| JsonPath::parse(text).unwrap();
        assert!(path("$.a.b").is_within(&path("$.a")) && path("$.a").is_within(&path("$['a']")));
        assert!(!path("$.a").is_within(&path("$.a.b")) && !path("$.a[*]").is_within(&path("$.a.b")));
    }
}
