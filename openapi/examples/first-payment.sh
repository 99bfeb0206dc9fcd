#!/usr/bin/env bash
# Makes the first payment with curl, and waits until the payer may pay:
#   openapi/examples/first-payment.sh [quittance-data/bootstrap.json]
set -euo pipefail

# The first value of a field in JSON, of a file or of standard input. With jq at hand, use that.
field() { tr -d '\n' <"${2:-/dev/stdin}" | grep -o "\"$1\" *: *\"[^\"]*\"" | head -n 1 | sed 's/.*: *"\(.*\)"/\1/'; }

# Asks and prints the answer; an error's answer is printed too, to standard error, and ends the script.
ask() {
    local answer
    answer=$(curl --silent --show-error --fail-with-body --max-time 30 "$@") || {
        printf 'FAILED: %s\n' "$answer" >&2
        exit 1
    }
    printf '%s' "$answer"
}

bootstrap=${1:-quittance-data/bootstrap.json}
base_url=$(field base_url "$bootstrap")

tokens=$(ask --request POST "$base_url/api/v1/auth/authenticate" \
    --header "Api-Key: $(field api_key "$bootstrap")" --header "Api-Secret: $(field secret_key "$bootstrap")")
authorization="Authorization: Bearer $(field access_token <<<"$tokens")"

# With the key it is safe to send the same request again when no answer came.
order=order-$(date +%s)-$$
payment=$(ask "$base_url/api/v1/payments" --header "$authorization" --header "Idempotency-Key: $order" \
    --header 'Content-Type: application/json' --data @- <<JSON
{
  "external_id": "$order",
  "node_id": "$(field node_id "$bootstrap")",
  "network_id": "$(field network_id "$bootstrap")",
  "currency_id": "$(field USDT "$bootstrap")",
  "price": 12.5,
  "paid_price": 12.5,
  "payment_method": "web3",
  "payment_group": "product",
  "payment_address": "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
  "expires_at": "$(date -u -d '+1 hour' +%FT%TZ 2>/dev/null || date -u -v+1H +%FT%TZ)"
}
JSON
)
id=$(field id <<<"$payment")

for _ in {1..240}; do
    payment=$(ask "$base_url/api/v1/payments/$id" --header "$authorization")
    status=$(field status <<<"$payment")
    [[ $status == pending ]] || break
    sleep 0.25
done
echo "$id is $status"
echo "The payer pays at $base_url/pay/$id#$(field access_token <<<"$payment")"
[[ $status == open ]]
