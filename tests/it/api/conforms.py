"""Holds answers against the document of the API: both come as JSON, and each objection goes out on a line."""

import json
import re
import sys

import jsonschema_rs

said = json.load(sys.stdin)
document = said["document"]


def operations(answer):
    """Those of the path; a part that stands there word for word comes before one that may be anything."""
    path = answer["path"].partition("?")[0]
    for template in sorted(document["paths"], key=lambda template: template.count("{")):
        if re.fullmatch(re.sub(r"\\?\{[^}]*\}", "[^/]+", re.escape(template)), path):
            return document["paths"][template]
    return None


def objection(answer):
    of_path = operations(answer)
    if of_path is None:
        return None if answer["status"] == 404 else "is in no document"
    operation = of_path.get(answer["method"].lower())
    if operation is None:
        return None if answer["status"] == 405 else "is in no document"
    response = operation["responses"].get(str(answer["status"]))
    if response is None:
        return "has a status that is not documented"
    headers = {name for name, _ in answer["headers"]}
    missing = [name for name in response["headers"] if name.lower() not in headers]
    if missing:
        return f"lacks {missing}"
    media = dict(answer["headers"]).get("content-type", "").partition(";")[0]
    if media not in response["content"]:
        return f"is {media}"
    if not media.endswith("json"):
        return None
    schema = {**response["content"][media]["schema"], "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    errors = [f"{error.message} at {list(error.instance_path)}" for error in validator.iter_errors(json.loads(answer["body"]))]
    return "; ".join(errors) or None


for answer in said["answers"]:
    objected = objection(answer)
    if objected:
        print(answer["method"], answer["path"], answer["status"], objected)
