//! Lines of Markdown as readers of it take them.

/// The bars of a line that end a cell, as GitHub reads tables: those without a backslash before them.
pub fn bars(line: &str) -> usize {
    let mut signs = line.chars();
    let mut bars = 0;
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => drop(signs.next()),
            '|' => bars += 1,
            _ => {}
        }
    }
    bars
}

/// A line of Markdown as CommonMark reads it: what is text, and each code span.
pub fn parted(line: &str) -> (String, Vec<String>) {
    let (mut text, mut codes, mut rest) = (String::new(), Vec::new(), line);
    while let Some(sign) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix('\\') {
            let escaped = after.chars().next().map_or(0, char::len_utf8);
            text.push('\\');
            rest = &after[escaped..];
        } else if sign == '`' {
            let length = rest.find(|sign| sign != '`').expect("code ends within its line");
            let (fence, inside) = rest.split_at(length);
            let ends = inside.match_indices(fence).map(|(at, _)| at).find(|at| {
                let runs_on = inside[at + length..].starts_with('`') || inside[..*at].ends_with('`');
                !runs_on
            });
            let end = ends.unwrap_or_else(|| panic!("code ends within its line: {line}"));
            codes.push(inside[..end].to_owned());
            rest = &inside[end + length..];
        } else {
            text.push(sign);
            rest = &rest[sign.len_utf8()..];
        }
    }
    (text, codes)
}
