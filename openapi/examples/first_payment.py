#!/usr/bin/env python3
"""Makes the first payment with nothing but Python's standard library, and waits until the payer may pay.

    openapi/examples/first_payment.py [quittance-data/bootstrap.json]
"""

import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone

with open(sys.argv[1] if len(sys.argv) > 1 else "quittance-data/bootstrap.json", encoding="utf-8") as file:
    bootstrap = json.load(file)


def ask(method, path, body=None, **headers):
    """Asks and returns the answer; an error's answer ends the script."""
    data = None if body is None else json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if data is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(bootstrap["base_url"] + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path} answered {error.code}: {error.read().decode()}")


tokens = ask("POST", "/api/v1/auth/authenticate", bootstrap["integration"])
authorization = f"Bearer {tokens['access_token']}"

order = f"order-{uuid.uuid4()}"
payment = ask(
    "POST",
    "/api/v1/payments",
    {
        "external_id": order,
        "node_id": bootstrap["node_id"],
        "network_id": bootstrap["network_id"],
        "currency_id": bootstrap["currencies"]["USDT"],
        "price": 12.5,
        "paid_price": 12.5,
        "payment_method": "web3",
        "payment_group": "product",
        "payment_address": "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
        "expires_at": (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat(),
    },
    Authorization=authorization,
    # With the key it is safe to send the same request again when no answer came.
    Idempotency_Key=order,
)

patience = time.monotonic() + 60
while payment["status"] == "pending" and time.monotonic() < patience:
    time.sleep(0.25)
    payment = ask("GET", f"/api/v1/payments/{payment['id']}", Authorization=authorization)

print(f"{payment['id']} is {payment['status']}")
print(f"The payer pays at {bootstrap['base_url']}/pay/{payment['id']}#{payment['access_token']}")
if payment["status"] != "open":
    sys.exit(1)
