"""How the API tester signs in: as the operator that the server's ready file names."""

import json
import os
import urllib.request

import schemathesis

with open(os.environ["FRONTDESK_READY"], encoding="utf-8") as file:
    READY = json.load(file)


def post(path, body, **headers):
    request = urllib.request.Request(
        READY["base_url"].rstrip("/") + path,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def visitor_session():
    return post("/api/v1/widget/sessions", {"site_key": READY["site_key"]})["visitor_token"]


VISITOR = visitor_session()
CONVERSATION = post("/api/v1/conversations", {}, Authorization=f"Bearer {VISITOR}")["id"]


def is_visitors(operation):
    """Whether a visitor calls it; everything else is called by the operator."""
    paths = ("/api/v1/conversations", "/api/v1/uploads", "/api/v1/messages")
    return operation.path.startswith(paths) and operation.method.lower() != "patch"


@schemathesis.auth(refresh_interval=300)
class Caller:
    """The operator's access token, or the visitor's."""

    def get(self, case, context):
        login = {"email": READY["admin_email"], "password": READY["admin_password"]}
        return post("/api/v1/auth/login", login)["access_token"]

    def set(self, case, data, context):
        token = VISITOR if is_visitors(case.operation) else data
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.hook
def before_call(context, case, **kwargs):
    """A made-up conversation is found in no database: every other case names one that is there."""
    parameters = case.path_parameters or {}
    if case.operation.path.startswith("/api/v1/conversations/{id}") and sum(map(ord, str(case.body))) % 2 == 0:
        if "id" in parameters:
            parameters["id"] = CONVERSATION
