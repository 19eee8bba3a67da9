//! Keeps secrets out of diagnostics.
//!
//! A diagnostic shows the line that it points at, and the daemon logs diagnostics. So what looks like a secret is blotted
//! out in the text that they show, byte for byte, before anything can point at it. A new place where a person might write
//! a secret is a line in [`blot_secrets`] or in [`Blots::table`].

use std::ops::Range;

use regex_lite::Regex;
use toml::de::{DeTable, DeValue};

/// The text with every password and key in it replaced by as many `*`.
pub(super) fn blot_secrets(text: &str) -> String {
    let mut blots = Blots { ranges: Vec::new() };
    // By pattern, so that lines that can't be parsed and comments are covered too.
    let patterns = [r#":/*[^:/\s"'@]*:([^"'\n]*)@"#, r#"(?i)[?&](?:ssl)?password=([^&"'\n]*)"#, r"(rtd_[0-9a-fA-F]+)"];
    for pattern in patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()) {
        blots.ranges.extend(pattern.captures_iter(text).filter_map(|found| found.get(1)).map(|secret| secret.range()));
    }
    let (document, _) = DeTable::parse_recoverable(text);
    blots.table(document.get_ref(), false);
    let mut blotted = text.to_owned();
    for range in blots.ranges {
        blotted.replace_range(range.clone(), &"*".repeat(range.len()));
    }
    blotted
}

struct Blots {
    ranges: Vec<Range<usize>>,
}

impl Blots {
    /// Texts under `keys` that are not the place of a key, and texts whose name says that they are secret.
    fn table(&mut self, table: &DeTable<'_>, in_keys: bool) {
        for (key, value) in table {
            let key = key.get_ref().to_lowercase();
            let named_secret = ["password", "passwd", "secret", "token"].iter().any(|word| key.contains(word));
            match value.get_ref() {
                DeValue::Table(inner) => self.table(inner, in_keys || key == "keys"),
                DeValue::String(_) if named_secret || (in_keys && !matches!(key.as_str(), "file" | "env" | "credential")) => {
                    self.ranges.push(value.span());
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::blot_secrets;

    #[test]
    fn what_looks_like_a_secret_is_blotted_out_and_nothing_else() {
        insta::assert_snapshot!(blot_secrets(r#"
            [state]
            url = "postgres://app:s3c@ret@db/app"   # it was postgres://app:older@db/app
            [sources.app]
            url = "postgres://db/app?user=a&password=s3cret&x=1"
            password = "s3cret"
            workspace = "retentiond"
            [keys]
            direct = "s3cret"
            pepper = { file = "/run/pepper", value = "s3crét" }
        "#), @r#"

            [state]
            url = "postgres://app:*******@db/app"   # it was postgres://app:*****@db/app
            [sources.app]
            url = "postgres://db/app?user=a&password=******&x=1"
            password = ********
            workspace = "retentiond"
            [keys]
            direct = ********
            pepper = { file = "/run/pepper", value = ********* }
        "#);
    }

    #[test]
    fn every_byte_keeps_its_place() {
        let text = "a = \"postgres://ü:pässwörd@db\" é\n[keys]\nb = 'ß'";
        assert_eq!(blot_secrets(text).len(), text.len());
    }
}
