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


@schemathesis.auth(refresh_interval=300)
class Operator:
    """The operator's access token."""

    def get(self, case, context):
        login = {"email": READY["admin_email"], "password": READY["admin_password"]}
        return post("/api/v1/auth/login", login)["access_token"]

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"
