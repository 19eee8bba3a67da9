//! Writes a condition anew from its syntax tree, refusing every node that is not on the list.

use std::{collections::BTreeSet, ops::Range};

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, ObjectNamePart, Spanned, TrimWhereField, UnaryOperator, Value,
};

use super::{
    ConditionError,
    allowed::{self, arithmetic, comparison},
    offset,
};
use crate::{diagnostic::suggest, policy::Dialect};

/// Deep enough for anything that a person writes; PostgreSQL and SQLite take far more.
const DEEPEST: usize = 100;
/// PostgreSQL cuts names off after this many bytes: the name that is read would not be the one that is written.
const LONGEST_NAME: usize = 63;

pub(super) type Written = Result<String, ConditionError>;

/// One walk through a tree.
pub(super) struct Walk<'a> {
    text: &'a str,
    pub(super) dialect: Dialect,
    columns: &'a mut BTreeSet<String>,
    depth: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str, dialect: Dialect, columns: &'a mut BTreeSet<String>) -> Self {
        Self { text, dialect, columns, depth: 0 }
    }

    /// Writes an expression that is true, false or unknown.
    pub(super) fn condition(&mut self, expr: &Expr) -> Written {
        let is_value = match expr {
            Expr::Value(value) => !matches!(value.value, Value::Boolean(_)),
            Expr::BinaryOp { op, .. } => arithmetic(op).is_some() || *op == BinaryOperator::StringConcat,
            Expr::UnaryOp { op, .. } => *op != UnaryOperator::Not,
            Expr::TypedString(_) => true,
            Expr::Nested(inner) => return self.condition(inner),
            _ => false,
        };
        if is_value {
            return Err(self.refuse(expr, "this is a value, not a condition").help("compare it with something"));
        }
        self.expression(expr)
    }

    /// Writes any expression. What consists of several parts comes in parentheses, so that no server binds it otherwise
    /// than it was parsed.
    fn expression(&mut self, expr: &Expr) -> Written {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(ConditionError::new(0..self.text.len(), "the condition is nested too deeply"));
        }
        let written = self.node(expr);
        self.depth -= 1;
        written
    }

    fn node(&mut self, expr: &Expr) -> Written {
        match expr {
            Expr::Identifier(name) => self.column(name),
            Expr::Value(value) => self.literal(expr, &value.value),
            Expr::TypedString(typed) => self.typed(expr, typed),
            Expr::Nested(inner) => self.expression(inner),
            Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => Ok(format!("(NOT {})", self.condition(inner)?)),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => self.sign("-", inner),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr: inner } => self.sign("+", inner),
            Expr::BinaryOp { left, op, right } => self.binary(expr, left, op, right),
            Expr::IsNull(inner) => self.suffix(inner, "IS NULL"),
            Expr::IsNotNull(inner) => self.suffix(inner, "IS NOT NULL"),
            Expr::IsTrue(inner) => self.suffix(inner, "IS TRUE"),
            Expr::IsNotTrue(inner) => self.suffix(inner, "IS NOT TRUE"),
            Expr::IsFalse(inner) => self.suffix(inner, "IS FALSE"),
            Expr::IsNotFalse(inner) => self.suffix(inner, "IS NOT FALSE"),
            Expr::IsDistinctFrom(left, right) if self.dialect == Dialect::Mysql => Ok(format!("(NOT {})", self.infix(left, "<=>", right)?)),
            Expr::IsNotDistinctFrom(left, right) if self.dialect == Dialect::Mysql => self.infix(left, "<=>", right),
            Expr::IsDistinctFrom(left, right) => self.infix(left, "IS DISTINCT FROM", right),
            Expr::IsNotDistinctFrom(left, right) => self.infix(left, "IS NOT DISTINCT FROM", right),
            Expr::InList { expr: inner, list, negated } => self.in_list(expr, inner, list, *negated),
            Expr::Between { expr: inner, negated, low, high } => {
                let (inner, low, high) = (self.operand(inner)?, self.operand(low)?, self.operand(high)?);
                Ok(format!("({inner} {}BETWEEN {low} AND {high})", not(*negated)))
            }
            Expr::Like { negated, any: false, expr: inner, pattern, escape_char } => {
                self.like("LIKE", *negated, inner, pattern, escape_char.as_deref())
            }
            Expr::ILike { negated, any: false, expr: inner, pattern, escape_char } if self.dialect == Dialect::Postgres => {
                self.like("ILIKE", *negated, inner, pattern, escape_char.as_deref())
            }
            Expr::Case { operand, conditions, else_result, .. } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, format: None } => {
                self.cast(expr, inner, data_type)
            }
            Expr::Function(function) => self.function(expr, function),
            Expr::Substring { expr: inner, substring_from: Some(from), substring_for, .. } => {
                let arguments: Vec<&Expr> = [inner, from].into_iter().chain(substring_for).map(|argument| &**argument).collect();
                self.call(expr, "substr", &arguments)
            }
            Expr::Trim { trim_where, trim_what: Some(what), expr: inner, trim_characters: None } if self.dialect == Dialect::Mysql => {
                let side = trim_where.as_ref().map_or_else(|| "BOTH".to_owned(), ToString::to_string);
                Ok(format!("trim({side} {} FROM {})", self.expression(what)?, self.expression(inner)?))
            }
            Expr::Trim { trim_where, trim_what, expr: inner, trim_characters } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    Some(TrimWhereField::Both) | None => "trim",
                };
                let what = trim_what.as_deref().into_iter().chain(trim_characters.iter().flatten());
                let arguments: Vec<&Expr> = std::iter::once(&**inner).chain(what).collect();
                self.call(expr, name, &arguments)
            }
            Expr::Ceil { expr: inner, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => self.call(expr, "ceil", &[inner]),
            Expr::Floor { expr: inner, field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) } => {
                self.call(expr, "floor", &[inner])
            }
            other => Err(self.unknown(other)),
        }
    }

    /// A column of the rule's own table. The alias keeps the name from meaning anything else.
    fn column(&mut self, name: &Ident) -> Written {
        let span = offset(self.text, name.span.start)..offset(self.text, name.span.end);
        let exact = match (self.dialect, name.quote_style) {
            (Dialect::Postgres, None) => name.value.to_ascii_lowercase(),
            _ => name.value.clone(),
        };
        if exact.is_empty() {
            return Err(ConditionError::new(span, "a column's name can't be empty"));
        }
        // There these are names too, and look like variables, parameters and numbers.
        let odd = |sign: char| matches!(sign, '@' | '$') || sign.is_ascii_digit();
        if self.dialect == Dialect::Mysql && name.quote_style.is_none() && exact.starts_with(odd) {
            let error = ConditionError::new(span, format!("`{exact}` can't stand here as it is"));
            return Err(error.help("a column of that name goes in backticks; a condition has neither variables nor parameters"));
        }
        if self.dialect == Dialect::Postgres && exact.len() > LONGEST_NAME {
            return Err(ConditionError::new(span, format!("PostgreSQL has no names longer than {LONGEST_NAME} bytes")));
        }
        let written = format!("t.\"{}\"", exact.replace('"', "\"\""));
        self.columns.insert(exact);
        Ok(written)
    }

    fn sign(&mut self, sign: &str, inner: &Expr) -> Written {
        let simple = matches!(
            inner,
            Expr::Value(_) | Expr::Identifier(_) | Expr::Nested(_) | Expr::Function(_) | Expr::Cast { kind: CastKind::Cast, .. }
        );
        if !simple {
            return Err(self.parenthesise(inner));
        }
        Ok(format!("({sign} {})", self.expression(inner)?))
    }

    fn binary(&mut self, expr: &Expr, left: &Expr, op: &BinaryOperator, right: &Expr) -> Written {
        match op {
            BinaryOperator::And => self.chain(expr, op, "AND"),
            BinaryOperator::Or => self.chain(expr, op, "OR"),
            BinaryOperator::StringConcat if self.dialect == Dialect::Mysql => Err(self
                .refuse(expr, "MariaDB and MySQL read `||` as OR or as a concatenation, depending on a setting")
                .help("write `OR`, or `concat(a, b)`")),
            BinaryOperator::Spaceship if self.dialect == Dialect::Mysql => self.infix(left, "<=>", right),
            BinaryOperator::StringConcat => {
                for side in [left, right] {
                    // Engines disagree on whether `||` binds tighter than arithmetic.
                    if matches!(side, Expr::BinaryOp { op, .. } if arithmetic(op).is_some()) || matches!(side, Expr::UnaryOp { .. }) {
                        return Err(self.parenthesise(side));
                    }
                }
                self.infix(left, "||", right)
            }
            BinaryOperator::Glob if self.dialect == Dialect::Sqlite => self.infix(left, "GLOB", right),
            op => match (comparison(op), arithmetic(op)) {
                (Some(sign), _) => {
                    for side in [left, right] {
                        if matches!(side, Expr::Value(value) if value.value == Value::Null) {
                            return Err(self.refuse(expr, "a comparison with NULL is never true").help("write `IS NULL` or `IS NOT NULL`"));
                        }
                    }
                    self.infix(left, sign, right)
                }
                (None, Some(sign)) => {
                    for side in [left, right] {
                        if matches!(side, Expr::BinaryOp { op: BinaryOperator::StringConcat, .. }) {
                            return Err(self.parenthesise(side));
                        }
                    }
                    self.infix(left, sign, right)
                }
                (None, None) => Err(self
                    .refuse(expr, format!("the operator `{op}` is not allowed in a condition"))
                    .help("allowed are comparisons, AND, OR, NOT, IS, IN, BETWEEN, LIKE, + - * / % and ||")),
            },
        }
    }

    /// `a AND b AND c` as one list: the tree of a long chain is as deep as the chain is long.
    fn chain(&mut self, expr: &Expr, op: &BinaryOperator, word: &str) -> Written {
        let mut operands = Vec::new();
        let mut rest = expr;
        while let Expr::BinaryOp { left, op: same, right } = rest
            && same == op
        {
            operands.push(&**right);
            rest = left;
        }
        operands.push(rest);
        let written: Result<Vec<String>, _> = operands.into_iter().rev().map(|operand| self.nested_condition(operand)).collect();
        Ok(format!("({})", written?.join(&format!(" {word} "))))
    }

    fn nested_condition(&mut self, expr: &Expr) -> Written {
        self.depth += 1;
        let written = self.condition(expr);
        self.depth -= 1;
        written
    }

    fn infix(&mut self, left: &Expr, operator: &str, right: &Expr) -> Written {
        Ok(format!("({} {operator} {})", self.operand(left)?, self.operand(right)?))
    }

    fn suffix(&mut self, inner: &Expr, words: &str) -> Written {
        Ok(format!("({} {words})", self.operand(inner)?))
    }

    /// One side of a comparison. Engines bind chains of comparisons differently (`a = b IS NULL`), so a condition inside
    /// another needs parentheses.
    fn operand(&mut self, expr: &Expr) -> Written {
        let ambiguous = match expr {
            Expr::BinaryOp { op, .. } => {
                comparison(op).is_some()
                    || matches!(op, BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Glob | BinaryOperator::Spaceship)
            }
            Expr::UnaryOp { op, .. } => *op == UnaryOperator::Not,
            Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::InList { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. } => true,
            _ => false,
        };
        if ambiguous { Err(self.parenthesise(expr)) } else { self.expression(expr) }
    }

    fn in_list(&mut self, expr: &Expr, inner: &Expr, list: &[Expr], negated: bool) -> Written {
        if list.is_empty() {
            return Err(self.refuse(expr, "the list after IN is empty"));
        }
        if let Some(null) = list.iter().find(|item| matches!(item, Expr::Value(value) if value.value == Value::Null)) {
            return Err(self
                .refuse(null, "NULL in a list is never found, and makes NOT IN never true")
                .help("write `IS NULL` beside the list"));
        }
        let items: Result<Vec<String>, _> = list.iter().map(|item| self.expression(item)).collect();
        Ok(format!("({} {}IN ({}))", self.operand(inner)?, not(negated), items?.join(", ")))
    }

    fn like(&mut self, word: &str, negated: bool, inner: &Expr, pattern: &Expr, escape: Option<&Expr>) -> Written {
        let (inner, pattern) = (self.operand(inner)?, self.operand(pattern)?);
        let escape = match escape {
            Some(escape) => format!(" ESCAPE {}", self.operand(escape)?),
            // What a server takes by itself unless its mode says otherwise, as ours does.
            None if self.dialect == Dialect::Mysql => " ESCAPE '\\'".to_owned(),
            None => String::new(),
        };
        Ok(format!("({inner} {}{word} {pattern}{escape})", not(negated)))
    }

    fn case(&mut self, operand: Option<&Expr>, conditions: &[CaseWhen], otherwise: Option<&Expr>) -> Written {
        let mut written = "(CASE".to_owned();
        if let Some(operand) = operand {
            written += &format!(" {}", self.expression(operand)?);
        }
        for branch in conditions {
            let when = if operand.is_some() { self.expression(&branch.condition)? } else { self.nested_condition(&branch.condition)? };
            written += &format!(" WHEN {when} THEN {}", self.expression(&branch.result)?);
        }
        if let Some(otherwise) = otherwise {
            written += &format!(" ELSE {}", self.expression(otherwise)?);
        }
        Ok(written + " END)")
    }

    fn cast(&mut self, expr: &Expr, inner: &Expr, data_type: &DataType) -> Written {
        let name = data_type.to_string();
        let types = allowed::types(self.dialect);
        let Some((_, written)) = types.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)) else {
            let mut known: Vec<&str> = types.iter().map(|(_, written)| *written).collect();
            known.dedup();
            return Err(self
                .refuse(expr, format!("a condition can't cast to `{name}`"))
                .help(format!("allowed are {}", suggest::list(&known))));
        };
        Ok(format!("CAST({} AS {written})", self.expression(inner)?))
    }

    fn function(&mut self, expr: &Expr, function: &Function) -> Written {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } = function;
        let [ObjectNamePart::Identifier(name)] = name.0.as_slice() else {
            return Err(self.refuse(expr, format!("the function `{name}` is not allowed in a condition")).help(self.allowed_functions()));
        };
        let FunctionArguments::List(list) = args else {
            return Err(self.forbidden_function(name));
        };
        let plain = !uses_odbc_syntax
            && matches!(parameters, FunctionArguments::None)
            && within_group.is_empty()
            && filter.is_none()
            && null_treatment.is_none()
            && over.is_none()
            && list.duplicate_treatment.is_none()
            && list.clauses.is_empty();
        let arguments: Option<Vec<&Expr>> = list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => Some(argument),
                _ => None,
            })
            .collect();
        if allowed::by_name(self.dialect, &name.value).is_none() {
            return Err(self.forbidden_function(name));
        }
        match arguments {
            Some(arguments) if plain => self.call(expr, &name.value, &arguments),
            _ => Err(self.refuse(expr, format!("`{}` takes plain arguments only", name.value))),
        }
    }

    fn call(&mut self, expr: &Expr, name: &str, arguments: &[&Expr]) -> Written {
        let Some(function) = allowed::by_name(self.dialect, name) else {
            return Err(self.refuse(expr, format!("the function `{name}` is not allowed in a condition")).help(self.allowed_functions()));
        };
        let written: Result<Vec<String>, _> = arguments.iter().map(|argument| self.expression(argument)).collect();
        let name = match (self.dialect, function.name) {
            // The grammar's own TRIM takes its arguments with words between them.
            (Dialect::Postgres, "trim") => "pg_catalog.btrim".to_owned(),
            (Dialect::Postgres, name) if function.in_schema => format!("pg_catalog.{name}"),
            (_, name) => name.to_owned(),
        };
        Ok(format!("{name}({})", written?.join(", ")))
    }

    fn forbidden_function(&self, name: &Ident) -> ConditionError {
        let span = offset(self.text, name.span.start)..offset(self.text, name.span.end);
        ConditionError::new(span, format!("the function `{}` is not allowed in a condition", name.value)).help(self.allowed_functions())
    }

    fn allowed_functions(&self) -> String {
        let names: Vec<&str> = allowed::functions(self.dialect).iter().map(|function| function.name).collect();
        format!("allowed are {}", suggest::list(&names))
    }

    fn parenthesise(&self, expr: &Expr) -> ConditionError {
        self.refuse(expr, "databases don't agree on what this belongs to").help("put it in parentheses")
    }

    pub(super) fn unknown(&self, expr: &Expr) -> ConditionError {
        let what = match expr {
            Expr::CompoundIdentifier(parts) => {
                let last = parts.last().map_or("", |part| part.value.as_str());
                return self.refuse(expr, "columns are named without their table").help(format!("write `{last}`"));
            }
            Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => "subqueries are",
            Expr::Array(_) | Expr::AnyOp { .. } | Expr::AllOp { .. } | Expr::CompoundFieldAccess { .. } => "arrays are",
            Expr::Interval(_) => "intervals are",
            Expr::Tuple(_) => "a list in parentheses is",
            Expr::Collate { .. } => "COLLATE is",
            Expr::Extract { .. } | Expr::AtTimeZone { .. } => "taking times apart is",
            Expr::RLike { .. } | Expr::SimilarTo { .. } => "regular expressions are",
            Expr::ILike { .. } => "ILIKE is",
            _ => "this is",
        };
        self.refuse(expr, format!("{what} not allowed in a condition"))
            .help("allowed are columns, literals, comparisons, AND, OR, NOT, IS, IN (list), BETWEEN, LIKE, arithmetic, ||, CASE, CAST and some functions")
    }

    pub(super) fn refuse(&self, expr: &Expr, message: impl Into<String>) -> ConditionError {
        ConditionError::new(self.place(expr), message)
    }

    /// Where an expression stands; the whole text where the parser doesn't say.
    fn place(&self, expr: &Expr) -> Range<usize> {
        let span = expr.span();
        if span.start.line == 0 {
            return 0..self.text.len();
        }
        offset(self.text, span.start)..offset(self.text, span.end)
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}
