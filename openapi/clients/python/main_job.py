"""Creates a payment, reads and cancels it with a client that openapi-python-client has generated, or verifies an event.

    python main_job.py pay BOOTSTRAP_JSON
    python main_job.py verify EVENT_JSON
"""

import json
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

from quittance_client import AuthenticatedClient, Client
from quittance_client.api.authentication import authenticate
from quittance_client.api.payments import cancel_payment, create_payment, get_payment
from quittance_client.models import (
    Credentials,
    EventPaymentChanged,
    NewPayment,
    NewPaymentMethod,
    Payment,
    PaymentGroup,
    TokenPair,
)
from standardwebhooks import Webhook


def wanted(kind, answer):
    """The answer, unless it tells of a problem."""
    if not isinstance(answer, kind):
        sys.exit(f"{kind.__name__} was wanted: {answer}")
    return answer


def pay(bootstrap):
    base_url = bootstrap["base_url"]
    credentials = Credentials(**bootstrap["integration"])
    tokens = wanted(TokenPair, authenticate.sync(client=Client(base_url), body=credentials))
    client = AuthenticatedClient(base_url, tokens.access_token)
    order = f"python-{uuid.uuid4()}"
    new = NewPayment(
        external_id=order,
        node_id=uuid.UUID(bootstrap["node_id"]),
        network_id=uuid.UUID(bootstrap["network_id"]),
        currency_id=uuid.UUID(bootstrap["currencies"]["USDT"]),
        price="12.50",
        paid_price="12.50",
        payment_method=NewPaymentMethod.WEB3,
        payment_group=PaymentGroup.PRODUCT,
        payment_address="0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
        expires_at=datetime.now(timezone.utc) + timedelta(hours=1),
    )
    created = wanted(Payment, create_payment.sync(client=client, body=new, idempotency_key=order))
    assert created.price_text == "12.5", created.price_text
    cancel_payment.sync(created.id, client=client)
    patience = time.monotonic() + 60
    while (payment := wanted(Payment, get_payment.sync(created.id, client=client))).status != "canceled":
        if time.monotonic() > patience:
            sys.exit(f"{created.id} is still {payment.status}")
        time.sleep(0.25)
    print(created.id)


def verify(received):
    Webhook(received["secret"]).verify(received["body"], received["headers"])
    event = EventPaymentChanged.from_dict(json.loads(received["body"]))
    print(event.type_, event.data.payment.id)


if __name__ == "__main__":
    {"pay": pay, "verify": verify}[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
