//! What was probably meant.

/// The known name that is nearest to `written`, if it is near enough to be what was meant.
///
/// Near enough is one edit (a swap of neighbours is one) for every three characters: `keep_fro` is `keep_for`, but
/// `mode` is not `mark`.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&written, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance * 3 <= name.chars().count().max(written.chars().count()))
        .min()
        .map(|(_, name)| name)
}

/// "did you mean `x`?" where something is near, else what there is, if that can be read at a glance.
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const AT_A_GLANCE: usize = 12;
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(written, known.iter().copied()) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None if known.is_empty() || known.len() > AT_A_GLANCE => None,
        None => Some(format!("there is {}", list(&known))),
    }
}

/// "`a`, `b` and `c`".
pub fn list(names: &[&str]) -> String {
    joined(names, "and")
}

/// "`a`, `b` or `c`".
pub fn one_of(names: &[&str]) -> String {
    joined(names, "or")
}

fn joined(names: &[&str], word: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {word} {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["keep_for", "mark", "start", "where"];
        assert_eq!(nearest("keep_fro", known), Some("keep_for"));
        assert_eq!(nearest("Wher", known), Some("where"));
        assert_eq!(nearest("mode", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn equally_near_names_give_the_same_answer_in_any_order() {
        assert_eq!(nearest("cab", ["car", "cat"]), nearest("cab", ["cat", "car"]));
    }

    #[test]
    fn what_there_is_is_listed_where_nothing_is_near() {
        assert_eq!(did_you_mean("zzz", ["app", "crm"]).as_deref(), Some("there is `app` and `crm`"));
        assert_eq!(did_you_mean("zzz", []), None);
    }
}
