"""Who asks for what, and what has to come of it, while schemathesis asks everything of a daemon.

Every request goes out in somebody's name, in a fixed order: most with the role that it takes, the others with each other
role, with a token that nobody has, or with none. Whoever lacks the role gets nothing done.
"""

import collections
import itertools
import json
import os

import schemathesis

# Name to token and roles; several of a kind, because each may only ask so often.
TOKENS = json.loads(os.environ["FUZZ_TOKENS"])
ROLES_OF = {entry["token"]: entry["roles"] for entry in TOKENS.values()}
ROLES = sorted({role for roles in ROLES_OF.values() for role in roles})
# Parameters and fields of bodies to values, among them some that are there: what fits is taken from them.
KNOWN = json.loads(os.environ["FUZZ_KNOWN"])


def owners(role):
    return itertools.cycle([token for token, roles in ROLES_OF.items() if role in roles])


OWNERS = {role: owners(role) for role in ROLES}
STRANGERS = itertools.cycle([None, "rtd_" + "0" * 64])
# Of each operation; strangers are not even looked at beyond some tries, so they are few.
TURNS = collections.defaultdict(lambda: itertools.cycle(["right"] * 2 + ROLES + ["right"] * 8 + ["stranger"]))


def needed(case):
    """The role that an operation takes; `any`: whichever; nothing: it is for everybody."""
    return case.operation.definition.raw.get("x-role")


@schemathesis.hook
def before_load_schema(context, raw_schema):
    for path, operations in raw_schema["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                name = path.split("/")[3] if parameter["name"] == "id" else parameter["name"]
                if name in KNOWN:
                    parameter["schema"] = {"enum": KNOWN[name]}
    schemas = raw_schema["components"]["schemas"]
    for schema, field in [("Subject", "kind"), ("Place", "tables"), ("Place", "categories"), ("Place", "sources")]:
        takes = schemas[schema]["properties"][field]
        if "items" in takes:
            takes["items"] = {"enum": KNOWN[field]}
        else:
            schemas[schema]["properties"][field] = {"enum": KNOWN[field]}


@schemathesis.hook
def before_call(context, case, kwargs):
    turn, role = next(TURNS[case.operation.label]), needed(case)
    if turn == "right":
        turn = role if role in OWNERS else "viewer"
    token = next(STRANGERS) if turn == "stranger" else next(OWNERS[turn])
    case.headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"}
    if token:
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.check
def no_act_without_its_role(ctx, response, case):
    role = needed(case)
    known = case.method.lower() in case.operation.schema.raw_schema["paths"][case.operation.path]
    if role is None or not known:
        return
    token = (response.request.headers.get("Authorization") or "").removeprefix("Bearer ")
    roles, status = ROLES_OF.get(token), response.status_code
    if roles is None:
        assert status in (401, 429), f"without a token: {status}"
    elif role != "any" and role not in roles:
        assert status in (403, 429), f"with {roles} instead of {role}: {status}"
    else:
        assert status != 401, f"with {roles}: {status}"
