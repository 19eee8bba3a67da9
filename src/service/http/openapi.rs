//! The API as a document: OpenAPI 3.1, told by the types that handlers take and give.
//!
//! Whatever a handler takes says in [`Takes`] what that asks of a request, and which problems come of it; what it gives
//! says so in [`Gives`]. A new extractor or kind of answer implements one of the two, or no route can use it.

use std::{borrow::Cow, collections::BTreeMap};

use axum::{Extension, Json, extract::State, http::StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    problem::{Problem, Told, meaning},
    routes::{self, Route},
};

/// The version that the document is of.
const OPENAPI: &str = "3.1.0";
/// Where the document has its schemas.
const SCHEMAS: &str = "/components/schemas";

/// One operation, as far as it has been told.
pub(super) struct Operation<'a> {
    schemas: &'a mut Schemas,
    parameters: Vec<Value>,
    body: Option<Value>,
    responses: BTreeMap<u16, Value>,
}

/// The schemas that operations refer to: a type may look different where it is read and where it is written.
struct Schemas {
    taken: SchemaGenerator,
    given: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = SCHEMAS.into());
        Self { taken: settings().for_deserialize().into_generator(), given: settings().for_serialize().into_generator() }
    }

    fn all(mut self) -> Map<String, Value> {
        let mut all = self.taken.take_definitions(true);
        all.extend(self.given.take_definitions(true));
        all
    }
}

/// What a handler takes from a request.
pub(super) trait Takes {
    fn tell(operation: &mut Operation<'_>);
}

/// What a handler answers.
pub(super) trait Gives {
    fn tell(operation: &mut Operation<'_>);
}

impl<T> Takes for State<T> {
    fn tell(_: &mut Operation<'_>) {}
}

impl<T> Takes for Extension<T> {
    fn tell(_: &mut Operation<'_>) {}
}

impl<T: Gives> Gives for Result<T, Problem> {
    fn tell(operation: &mut Operation<'_>) {
        T::tell(operation);
        operation.problems(&[StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE]);
    }
}

impl<T: JsonSchema> Gives for Json<T> {
    fn tell(operation: &mut Operation<'_>) {
        operation.json::<T>(StatusCode::OK, "Done");
    }
}

impl Gives for &'static str {
    fn tell(operation: &mut Operation<'_>) {
        operation.answer(StatusCode::OK, "Done", "text/plain", json!({ "type": "string" }));
    }
}

/// A handler, whatever it takes.
pub(super) trait Handles<Arguments> {
    fn tell(operation: &mut Operation<'_>);
}

macro_rules! handles {
    ($($argument:ident),*) => {
        impl<F, Answer, $($argument),*> Handles<($($argument,)*)> for F
        where
            F: FnOnce($($argument),*) -> Answer,
            Answer: Future<Output: Gives>,
            $($argument: Takes,)*
        {
            fn tell(operation: &mut Operation<'_>) {
                $($argument::tell(operation);)*
                Answer::Output::tell(operation);
            }
        }
    };
}

handles!();
handles!(A);
handles!(A, B);
handles!(A, B, C);
handles!(A, B, C, D);

impl Operation<'_> {
    /// A part of the path.
    pub(super) fn path(&mut self, name: &str, about: &str, pattern: &str) {
        let schema = json!({ "type": "string", "pattern": pattern });
        self.parameters.push(json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema }));
    }

    /// The parameters of a query, which a struct has as its fields.
    pub(super) fn query<T: JsonSchema>(&mut self) {
        let schema = T::json_schema(&mut self.schemas.taken).to_value();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let mut schema = schema.clone();
            let about = schema.as_object_mut().and_then(|schema| schema.shift_remove("description"));
            self.parameters.push(json!({ "name": name, "in": "query", "description": about, "schema": schema }));
        }
        self.problems(&[StatusCode::BAD_REQUEST]);
    }

    /// A body of JSON. It may be left out if an empty object does.
    pub(super) fn body<T: JsonSchema>(&mut self) {
        let required = T::json_schema(&mut self.schemas.taken).get("required").is_some();
        let schema = self.schemas.taken.subschema_for::<T>();
        self.body = Some(json!({ "required": required, "content": { "application/json": { "schema": schema } } }));
        self.problems(&[
            StatusCode::BAD_REQUEST,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ]);
    }

    /// An answer of JSON.
    pub(super) fn json<T: JsonSchema>(&mut self, status: StatusCode, about: &str) {
        let schema = self.schemas.given.subschema_for::<T>().to_value();
        self.answer(status, about, "application/json", schema);
    }

    /// An answer.
    pub(super) fn answer(&mut self, status: StatusCode, about: &str, media: &str, schema: Value) {
        let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
        let named = match status {
            StatusCode::UNAUTHORIZED => Some("WWW-Authenticate"),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some("Retry-After"),
            _ => None,
        };
        if let Some(name) = named {
            headers[name] = json!({ "$ref": format!("#/components/headers/{name}") });
        }
        let answer = json!({ "description": about, "headers": headers, "content": { media: { "schema": schema } } });
        self.responses.insert(status.as_u16(), answer);
    }

    /// A header of an answer that was told before.
    pub(super) fn header(&mut self, status: StatusCode, name: &str, about: &str) {
        if let Some(answer) = self.responses.get_mut(&status.as_u16()) {
            answer["headers"][name] = json!({ "description": about, "required": true, "schema": { "type": "string" } });
        }
    }

    /// What may be wrong.
    pub(super) fn problems(&mut self, statuses: &[StatusCode]) {
        for status in statuses {
            let schema = self.schemas.given.subschema_for::<Told<'_>>().to_value();
            self.answer(*status, meaning(*status), "application/problem+json", schema);
        }
    }
}

/// The document, as it is served.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Document(Value);

impl Document {
    pub(super) fn new() -> Self {
        Self(document())
    }
}

impl JsonSchema for Document {
    fn schema_name() -> Cow<'static, str> {
        "Document".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "OpenAPI 3.1",
            "type": "object", "required": ["openapi", "info", "paths", "components"], "properties": { "openapi": { "const": OPENAPI } },
        })
    }
}

/// The whole document.
pub fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for route in routes::all() {
        let operation = operation(&route, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    let header = |about: &str| json!({ "description": about, "required": true, "schema": { "type": "string" } });
    let mut document = json!({
        "openapi": OPENAPI,
        "info": {
            "title": "retentiond",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a daemon can be asked. A request does what the command of that name does, and answers with the JSON \
                that the command prints; fields are only ever added.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas.all(),
            "headers": {
                "X-Request-Id": header("The request's own, if that is sane, else a new one; the log has it too"),
                "WWW-Authenticate": header("A token is needed"),
                "Retry-After": header("Seconds"),
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `[[http.tokens]]`, as `retentiond token new` makes them. Where there are none, the daemon's \
                        own user and root need none on the daemon's machine.",
                },
            },
        },
    });
    in_plain_words(&mut document);
    document
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut operation = Operation { schemas, parameters: Vec::new(), body: None, responses: BTreeMap::new() };
    (route.tell)(&mut operation);
    if route.needs.is_some() {
        operation.problems(&[
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::MISDIRECTED_REQUEST,
            StatusCode::TOO_MANY_REQUESTS,
        ]);
    }
    operation.problems(route.also);
    let Operation { parameters, body, responses, .. } = operation;
    let names = route.path.trim_start_matches("/api/v1").split(['/', '{', '}', '-', '.']).filter(|part| !part.is_empty());
    let id = names.fold(route.method.as_str().to_ascii_lowercase(), |id, name| id + "_" + name);
    let mut told = json!({ "operationId": id, "summary": route.about });
    if let Some(needs) = route.needs {
        let role = needs.role();
        let takes = if role == "any" { "Takes a token, whatever its role.".to_owned() } else { format!("Takes the role `{role}`.") };
        told["description"] = [takes.as_str(), route.more].join(" ").trim().into();
        told["x-role"] = role.into();
        told["security"] = json!([{ "token": [] }]);
    }
    if !parameters.is_empty() {
        told["parameters"] = parameters.into();
    }
    if let Some(body) = body {
        told["requestBody"] = body;
    }
    told["responses"] = responses.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect::<Map<_, _>>().into();
    told
}

/// What is said of types is said in the words of JSON.
fn in_plain_words(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" => {
                        *text = text.replace("`None`", "null").replace("[`", "`").replace("`]", "`");
                    }
                    value => in_plain_words(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(in_plain_words),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_has_one_meaning() {
        let mut schemas = Schemas::new();
        routes::all().iter().for_each(|route| drop(operation(route, &mut schemas)));
        let (mut taken, mut given) = (schemas.taken.take_definitions(true), schemas.given.take_definitions(true));
        assert!(taken.len() > 3 && given.len() > 30);
        taken.retain(|name, schema| given.remove(name).is_some_and(|same| same != *schema));
        assert_eq!(taken.keys().collect::<Vec<_>>(), Vec::<&String>::new());
    }
}
