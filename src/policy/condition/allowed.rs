//! What a condition may contain: operators, types to cast to, and functions that give the same value for the same row
//! at any time, for any session, and touch nothing. Not on the list: aggregates, anything that knows the time, the
//! session or other rows, and what takes patterns of unbounded cost.

use sqlparser::ast::BinaryOperator;

use crate::policy::Dialect;

/// A function and how it is written in a statement.
pub(super) struct Function {
    /// In lower case.
    pub name: &'static str,
    /// On PostgreSQL ordinary functions are written with their schema, so that none of the same name and a better fitting
    /// type in another schema is called; what the grammar knows by name takes none.
    pub in_schema: bool,
}

const fn function(name: &'static str) -> Function {
    Function { name, in_schema: true }
}

const fn syntax(name: &'static str) -> Function {
    Function { name, in_schema: false }
}

/// The functions of a dialect.
pub(super) fn functions(dialect: Dialect) -> &'static [Function] {
    const SQLITE: &[Function] = &[
        function("abs"),
        function("coalesce"),
        function("ifnull"),
        function("instr"),
        function("length"),
        function("lower"),
        function("ltrim"),
        function("nullif"),
        function("replace"),
        function("round"),
        function("rtrim"),
        function("substr"),
        function("substring"),
        function("trim"),
        function("upper"),
    ];
    const POSTGRES: &[Function] = &[
        function("abs"),
        function("btrim"),
        function("ceil"),
        function("char_length"),
        syntax("coalesce"),
        function("floor"),
        syntax("greatest"),
        syntax("least"),
        function("left"),
        function("length"),
        function("lower"),
        function("ltrim"),
        function("mod"),
        syntax("nullif"),
        function("replace"),
        function("right"),
        function("round"),
        function("rtrim"),
        function("split_part"),
        function("starts_with"),
        function("strpos"),
        function("substr"),
        function("substring"),
        syntax("trim"),
        function("upper"),
    ];
    const MYSQL: &[Function] = &[
        function("abs"),
        function("ceil"),
        function("char_length"),
        function("coalesce"),
        function("concat"),
        function("floor"),
        function("greatest"),
        function("ifnull"),
        function("instr"),
        function("least"),
        function("left"),
        function("length"),
        function("locate"),
        function("lower"),
        function("ltrim"),
        function("mod"),
        function("nullif"),
        function("replace"),
        function("right"),
        function("round"),
        function("rtrim"),
        function("substr"),
        function("substring"),
        function("trim"),
        function("truncate"),
        function("upper"),
    ];
    match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
    }
}

/// The function of that name, in any case.
pub(super) fn by_name(dialect: Dialect, name: &str) -> Option<&'static Function> {
    functions(dialect).iter().find(|function| function.name.eq_ignore_ascii_case(name))
}

/// Types that a value may be cast to, as the parser writes them and as statements do.
pub(super) fn types(dialect: Dialect) -> &'static [(&'static str, &'static str)] {
    const SQLITE: &[(&str, &str)] =
        &[("INTEGER", "INTEGER"), ("INT", "INTEGER"), ("NUMERIC", "NUMERIC"), ("REAL", "REAL"), ("TEXT", "TEXT")];
    const POSTGRES: &[(&str, &str)] = &[
        ("BIGINT", "bigint"),
        ("BOOLEAN", "boolean"),
        ("BOOL", "boolean"),
        ("DOUBLE PRECISION", "double precision"),
        ("INTEGER", "integer"),
        ("INT", "integer"),
        ("NUMERIC", "numeric"),
        ("REAL", "real"),
        ("SMALLINT", "smallint"),
        ("TEXT", "text"),
        ("UUID", "uuid"),
    ];
    const MYSQL: &[(&str, &str)] = &[
        ("CHAR", "char"),
        ("DATE", "date"),
        ("DATETIME", "datetime(6)"),
        ("DECIMAL", "decimal(65,10)"),
        ("DOUBLE", "double"),
        ("SIGNED", "signed"),
        ("SIGNED INTEGER", "signed"),
        ("UNSIGNED", "unsigned"),
        ("UNSIGNED INTEGER", "unsigned"),
    ];
    match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
    }
}

/// An operator that compares.
pub(super) fn comparison(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Eq => "=",
        BinaryOperator::NotEq => "<>",
        BinaryOperator::Lt => "<",
        BinaryOperator::LtEq => "<=",
        BinaryOperator::Gt => ">",
        BinaryOperator::GtEq => ">=",
        _ => return None,
    })
}

/// An operator that counts.
pub(super) fn arithmetic(op: &BinaryOperator) -> Option<&'static str> {
    Some(match op {
        BinaryOperator::Plus => "+",
        BinaryOperator::Minus => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Modulo => "%",
        _ => return None,
    })
}
