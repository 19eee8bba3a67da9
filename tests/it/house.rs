//! The order of the house: what DESIGN and the picture in `lib.rs` say about the sources, held against the sources.
//!
//! Every path that begins with `crate`, `self` or `super` is resolved to the room it leads to. A new room is a line in
//! [`FLOORS`] and in the picture; a thing that only some rooms may touch is an arm in [`objections`].

use std::{collections::BTreeSet, fs, path::Path};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Imports lead from a floor to a lower one (further down here), or stay in their room.
const FLOORS: &[&[&str]] = &[
    &["cli"],
    &["service"],
    &["operate"],
    &["sweep"],
    &["engine", "state"],
    &["anonymise", "archive", "hold", "ledger"],
    &["sql"],
    &["config"],
    &["policy"],
    &["clock", "secret", "diagnostic", "fault", "metrics"],
];
const LONGEST_FILE: usize = 450;

#[test]
fn the_sources_keep_the_order_of_the_house() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut objections = Vec::new();
    for (name, text) in sources(root, "src/**/*.rs") {
        objections.extend(self::objections(&name, &text));
    }
    for (name, text) in sources(root, "tests/**/*.rs") {
        objections.extend(too_long(&name, &text));
    }
    assert!(objections.is_empty(), "\n{}\n", objections.join("\n"));
}

#[test]
fn the_picture_names_every_room() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries = fs::read_dir(&source).expect("the sources").map(|entry| entry.expect("an entry").path());
    let stems = entries.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned());
    let rooms: BTreeSet<String> = stems.filter(|stem| !["lib", "main"].contains(&stem.as_str())).collect();
    let text = fs::read_to_string(source.join("lib.rs")).expect("lib.rs");
    assert_eq!(rooms_in_picture(&text), rooms);
}

/// Files that match, by their path below the root.
fn sources(root: &Path, pattern: &str) -> Vec<(String, String)> {
    let pattern = root.join(pattern);
    let paths = glob::glob(pattern.to_str().expect("a path in UTF-8")).expect("a pattern").map(|path| path.expect("a path"));
    let name = |path: &Path| path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
    let files: Vec<_> = paths.map(|path| (name(&path), fs::read_to_string(&path).expect("a source"))).collect();
    assert!(!files.is_empty(), "nothing matches {}", pattern.display());
    files
}

/// The names of rooms in the picture under "The rooms" in the documentation of `lib.rs`.
fn rooms_in_picture(text: &str) -> BTreeSet<String> {
    let picture = text.split("# The rooms").nth(1).and_then(|rest| rest.split("```").nth(1)).unwrap_or_default();
    // Gaps part the names from what is said of them, where a room's name may be a plain word.
    let cells = picture.lines().flat_map(|line| line.trim_start_matches("//!").split("  ").map(str::trim));
    let known: BTreeSet<&str> = FLOORS.iter().flat_map(|floor| floor.iter().copied()).collect();
    cells.filter(|cell| known.contains(cell)).map(str::to_owned).collect()
}

/// What is wrong with one file of `src`, each with its place.
fn objections(name: &str, text: &str) -> Vec<String> {
    let mut found = too_long(name, text);
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
    let module = module_of(name);
    let room = module.first().cloned();
    let in_room = |rooms: &[&str]| room.as_deref().is_some_and(|room| rooms.contains(&room));
    let is_main = name == "src/main.rs";
    let mut object = |line: usize, what: String| found.push(format!("{name}:{line}: {what}"));

    let mut reader = Reader::default();
    reader.read(&tokens.into_iter().collect::<Vec<_>>(), &module);
    for (line, target) in reader.imports {
        if let Some(room) = room.as_deref().filter(|_| !is_main)
            && let Some(objection) = objection_to_import(room, &target)
        {
            object(line, objection);
        }
    }
    for (line, words) in reader.words {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["sqlx", ..] if !in_room(&["engine", "state"]) && name != "src/sql/mod.rs" => {
                object(line, "sqlx appears only in sql/mod.rs, engine/ and state/".to_owned());
            }
            ["AssertSqlSafe", ..] if name != "src/sql/mod.rs" => object(line, "AssertSqlSafe appears only in sql/mod.rs".to_owned()),
            ["feature", "\"testing\"", ..] if !in_room(&["fault", "clock"]) && !is_main => {
                object(line, "the feature `testing` is asked for only in fault.rs, clock.rs and main.rs".to_owned());
            }
            ["env", "var" | "var_os" | "vars" | "vars_os", ..] if !in_room(&["config", "secret", "cli", "fault"]) => {
                object(line, "the environment is read only in config, secret, cli and fault".to_owned());
            }
            _ => {}
        }
    }
    found
}

fn too_long(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines > LONGEST_FILE { vec![format!("{name}: {lines} lines are two subjects")] } else { Vec::new() }
}

fn objection_to_import(room: &str, target: &str) -> Option<String> {
    let floor = |room| FLOORS.iter().position(|floor| floor.contains(&room));
    let Some(here) = floor(room) else { return Some(format!("the room {room} is on no floor")) };
    if target == "metrics" && !["metrics", "sweep", "operate", "service"].contains(&room) {
        return Some(format!("metrics are for sweep, operate and service, not for {room}"));
    }
    // A path to something that is no room leads to an item at the root of the crate, of which there is none.
    let Some(there) = floor(target) else { return Some(format!("{target} is no room")) };
    (room != target && there <= here).then(|| format!("{room} must not import {target}: imports run downwards only"))
}

/// The module that a file of `src` is.
fn module_of(name: &str) -> Vec<String> {
    let path = name.trim_start_matches("src/").trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if ["mod", "lib", "main"].contains(&module.last().map_or("", String::as_str)) {
        module.pop();
    }
    module
}

/// Collects the paths of a file; comments, and names inside strings, are no tokens.
#[derive(Default)]
struct Reader {
    /// Line, and the first name after the root of the crate.
    imports: Vec<(usize, String)>,
    /// Line, and each identifier with the identifier or literal after it, past any punctuation.
    words: Vec<(usize, Vec<String>)>,
}

impl Reader {
    fn read(&mut self, tokens: &[TokenTree], module: &[String]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) => self.read(&group.stream().into_iter().collect::<Vec<_>>(), module),
                TokenTree::Ident(ident) => {
                    let line = ident.span().start().line;
                    let next = tokens[at..].iter().find(|token| !matches!(token, TokenTree::Punct(_)));
                    let next = next.filter(|token| !matches!(token, TokenTree::Group(_))).map(ToString::to_string);
                    self.words.push((line, std::iter::once(ident.to_string()).chain(next).collect()));
                    if let Some((name, body)) = inline_module(ident == "mod", &tokens[at..]) {
                        let inner: Vec<String> = module.iter().cloned().chain([name]).collect();
                        self.read(&body, &inner);
                        at += 2;
                    } else if (ident == "crate" || ident == "self" || ident == "super")
                        && separator(&tokens[at..])
                        && !(at > 2 && separator(&tokens[at - 3..]))
                    {
                        self.resolve(&tokens[at - 1..], module.to_vec());
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// Follows a path, into each branch of a `{…}`, and notes the room that it leads to. `place` is where it starts.
    fn resolve(&mut self, tokens: &[TokenTree], mut place: Vec<String>) {
        let mut line = 0;
        let mut rest = tokens;
        loop {
            match rest {
                [TokenTree::Ident(ident), ..] => {
                    line = ident.span().start().line;
                    match ident.to_string().as_str() {
                        "crate" => place.clear(),
                        "super" => drop(place.pop()),
                        "self" => {}
                        name => place.push(name.to_owned()),
                    }
                    rest = &rest[1..];
                }
                [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::Brace => {
                    let branches: Vec<TokenTree> = group.stream().into_iter().collect();
                    let comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                    return branches.split(comma).for_each(|branch| self.resolve(branch, place.clone()));
                }
                _ => break,
            }
            if !separator(rest) {
                break;
            }
            rest = &rest[2..];
        }
        if let Some(room) = place.first().filter(|_| line > 0) {
            self.imports.push((line, room.clone()));
        }
    }
}

/// `mod name { … }`: its name and what is in it.
fn inline_module(is_mod: bool, tokens: &[TokenTree]) -> Option<(String, Vec<TokenTree>)> {
    match tokens {
        [TokenTree::Ident(name), TokenTree::Group(body), ..] if is_mod => Some((name.to_string(), body.stream().into_iter().collect())),
        _ => None,
    }
}

/// Whether `::` comes next.
fn separator(tokens: &[TokenTree]) -> bool {
    let colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    matches!(tokens, [first, second, ..] if colon(first) && colon(second))
}

#[test]
fn each_disorder_is_objected_to() {
    let disorders = [
        ("src/policy/period.rs", "use crate::sweep::plan;", "1: policy must not import sweep"),
        ("src/engine/shape.rs", "use crate::{\n    hold::Held,\n    state::State,\n};", "3: engine must not import state"),
        ("src/hold.rs", "fn f() { let _ = super::ledger::chain::BEGINNING; }", "1: hold must not import ledger"),
        ("src/sql/predicate/start.rs", "use super::super::super::{sql::Dialect, engine};", "1: sql must not import engine"),
        ("src/sql/statement.rs", "mod tests { use super::super::super::cli; }", "1: sql must not import cli"),
        ("src/state/mod.rs", "fn f(x: Vec<crate::sweep::Sweep>) {}", "1: state must not import sweep"),
        ("src/clock.rs", "use self::super::fault;", "1: clock must not import fault"),
        ("src/engine/mod.rs", "use crate::metrics::Metrics;", "1: metrics are for sweep, operate and service, not for engine"),
        ("src/sweep/mod.rs", "use crate::helpers;", "1: helpers is no room"),
        ("src/helpers.rs", "use crate::clock::Clock;", "1: the room helpers is on no floor"),
        ("src/sweep/batch.rs", "fn f(error: sqlx::Error) {}", "1: sqlx appears only"),
        ("src/sql/statement.rs", "use sqlx as database;", "1: sqlx appears only"),
        ("src/engine/postgres/mod.rs", "fn f() { sqlx::AssertSqlSafe(text); }", "1: AssertSqlSafe appears only"),
        ("src/sweep/mod.rs", "#[cfg(feature = \"testing\")]\nfn f() {}", "1: the feature `testing`"),
        ("src/operate/erase.rs", "fn f() { std::env::var_os(\"A\"); }", "1: the environment is read only"),
    ];
    for (name, text, objection) in disorders {
        let found = objections(name, text);
        assert_eq!(found.len(), 1, "{name}: {text}: {found:?}");
        assert!(found[0].starts_with(&format!("{name}:{objection}")), "{found:?}");
    }
    assert_eq!(objections("src/hold.rs", &"\n".repeat(LONGEST_FILE + 1)).len(), 1);
}

#[test]
fn order_is_not_objected_to() {
    let orders = [
        ("src/sweep/batch.rs", "use super::gate; use crate::{engine::{self, Engine}, fault, metrics::Metrics, state::State};"),
        (
            "src/engine/postgres/mod.rs",
            "use super::{Error, shape::Shape}; pub(in super::super) fn f() { self::g(); self.h(); sqlx::query(\"\"); }",
        ),
        ("src/hold.rs", "//! See crate::sweep.\n// use crate::sweep;\nconst TEXT: &str = \"use crate::sweep; sqlx::query\";"),
        ("src/policy/mod.rs", "mod tests { use super::*; use super::period::Period; }"),
        ("src/main.rs", "use retentiond::cli; #[cfg(feature = \"testing\")] fn f() {}"),
        ("src/fault.rs", "#[cfg(feature = \"testing\")] fn f() { std::env::var(\"A\"); }"),
    ];
    for (name, text) in orders {
        assert_eq!(objections(name, text), Vec::<String>::new(), "{name}: {text}");
    }
}
