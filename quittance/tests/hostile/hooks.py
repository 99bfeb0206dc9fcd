"""What schemathesis needs to know of an installation: how to sign in, which ids exist, and what no error may tell.

QUITTANCE_BOOTSTRAP names the file that a bootstrap leaves; the instance is at its `base_url`.
"""

import json
import os
import re
import uuid
import zlib

import requests
import schemathesis

with open(os.environ["QUITTANCE_BOOTSTRAP"], encoding="utf-8") as file:
    BOOTSTRAP = json.load(file)

INTEGRATION = BOOTSTRAP["integration"]
# Ids that exist, by the fields and parameters that take them.
KNOWN = {
    "node_id": BOOTSTRAP["node_id"],
    "parent_id": BOOTSTRAP["node_id"],
    "network_id": BOOTSTRAP["network_id"],
    "chain_id": BOOTSTRAP["chain_id"],
    "wallet_id": BOOTSTRAP["wallet_id"],
    "currency_id": next(iter(BOOTSTRAP["currencies"].values())),
}
# Our own integration must keep its permissions, else the rest of the run only meets 401 and 403.
OURS = None


def authenticate():
    answer = requests.post(
        BOOTSTRAP["base_url"] + "/api/v1/auth/authenticate",
        json={"api_key": INTEGRATION["api_key"], "secret_key": INTEGRATION["secret_key"]},
        timeout=30,
    )
    answer.raise_for_status()
    return answer.json()["access_token"]


@schemathesis.auth(refresh_interval=600)
class Token:
    def get(self, case, context):
        return authenticate()

    def set(self, case, data, context):
        # Signing out ends a sign-in of its own, not everybody's.
        token = authenticate() if case.path == "/auth/logout" else data
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}


def ours():
    global OURS
    if OURS is None:
        answer = requests.get(
            BOOTSTRAP["base_url"] + "/api/v1/integrations",
            headers={"Authorization": f"Bearer {authenticate()}"},
            timeout=30,
        )
        answer.raise_for_status()
        OURS = {item["id"] for item in answer.json()["items"] if item["api_key"] == INTEGRATION["api_key"]}
    return OURS


def valid_uuid(value):
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


def chosen(*what):
    """Three of four, the same in every run."""
    return zlib.crc32(repr(what).encode()) % 4 != 0


def filled(value):
    """What is empty counts as absent, which no schema says: where it alone is wrong, something else that is stands for it."""
    if isinstance(value, dict):
        return {name: filled(field) for name, field in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    return "\0" if value == "" else value


@schemathesis.hook
def before_call(context, case, kwargs):
    """Random ids rarely exist: well-formed ones become known ones, so that handlers come further than to a 404."""
    for place in (case.body, case.query):
        if isinstance(place, dict):
            for name in KNOWN.keys() & place.keys():
                if valid_uuid(place[name]) and chosen(name, place[name]):
                    place[name] = KNOWN[name]
    # In queries these names are UUIDs. What a sequence takes over from an answer may be the number that a network has
    # under the same name, and still counts as valid.
    if isinstance(case.query, dict) and case.meta and case.meta.generation.mode.is_positive:
        for name in KNOWN.keys() & case.query.keys():
            if not valid_uuid(case.query[name]):
                case.query[name] = KNOWN[name]
    if case.meta and case.meta.generation.mode.is_negative:
        case.body, case.query = filled(case.body), filled(case.query)
    parameters = case.path_parameters
    # What a sequence takes over may be missing in the answer, as the network of a currency that is on none.
    if parameters and "id" in parameters and parameters["id"] in (None, "None"):
        parameters["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, case.path))
    if parameters and valid_uuid(parameters.get("id")):
        resource = case.path.removeprefix("/api/v1/").split("/")[0].removesuffix("s") + "_id"
        reading = case.operation.method.upper() == "GET"
        if reading and resource in KNOWN and chosen(resource, parameters["id"]):
            parameters["id"] = KNOWN[resource]
        if not reading and (parameters["id"] in ours() or parameters["id"] in KNOWN.values()):
            parameters["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, parameters["id"]))


INSIDES = re.compile(
    r"\bselect\b.+\bfrom\b|\binsert into\b|sqlx|sea_orm|sqlite|postgres|panicked|\.rs:\d|stack backtrace"
    r"|amqp://|127\.0\.0\.1:\d|os error",
    re.IGNORECASE,
)


@schemathesis.check
def errors_tell_nothing_of_our_insides(ctx, response, case):
    if response.status_code < 400:
        return
    problem = response.text
    try:
        body = json.loads(problem)
        # What the client said itself is repeated there.
        body.pop("instance", None)
        problem = json.dumps([body.get("title"), body.get("detail"), body.get("code"), body.get("parts")])
    except (ValueError, AttributeError):
        pass
    found = INSIDES.search(problem)
    assert not found, f"an error tells {found.group()!r}: {problem[:500]}"
