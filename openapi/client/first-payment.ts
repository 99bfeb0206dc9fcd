// Makes the first payment with a client generated from the document, and waits until the payer may pay.
//
//   npm ci --ignore-scripts && npm run generate && npm run build
//   npm start -- ../../quittance-data/bootstrap.json
//
// The argument is what `quittance` wrote at its first start, or what `quittance bootstrap --json` printed.

import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./quittance.js";

interface Bootstrap {
  base_url: string;
  integration: components["schemas"]["Credentials"];
  node_id: string;
  network_id: string;
  currencies: { USDT: string };
}

const [file = "quittance-data/bootstrap.json"] = process.argv.slice(2);
const bootstrap = JSON.parse(await readFile(file, "utf8")) as Bootstrap;
const client = createClient<paths>({ baseUrl: bootstrap.base_url });

/** What was asked for, or the problem that the server reports. */
function expect<Data>(answer: { data?: Data; error?: unknown; response: Response }): Data {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.url} answered ${answer.response.status}: ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

const { api_key, secret_key } = bootstrap.integration;
const tokens = expect(await client.POST("/api/v1/auth/authenticate", { body: { api_key, secret_key } }));
client.use({
  onRequest({ request }) {
    request.headers.set("authorization", `Bearer ${tokens.access_token}`);
  },
});

const order = `order-${Date.now()}`;
const created = expect(
  await client.POST("/api/v1/payments", {
    // With the key it is safe to send the same request again when no answer came.
    params: { header: { "Idempotency-Key": order } },
    body: {
      external_id: order,
      node_id: bootstrap.node_id,
      network_id: bootstrap.network_id,
      currency_id: bootstrap.currencies.USDT,
      price: 12.5,
      paid_price: 12.5,
      payment_method: "web3",
      payment_group: "product",
      payment_address: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
      expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    },
  }),
);

let payment = created;
for (const patience = Date.now() + 60_000; payment.status === "pending" && Date.now() < patience; ) {
  await new Promise((resolve) => setTimeout(resolve, 250));
  const params = { path: { id: created.id } };
  payment = expect(await client.GET("/api/v1/payments/{id}", { params }));
}
if (payment.status !== "open") {
  throw new Error(`The payment is ${payment.status}: ${payment.failure?.message ?? "no failure"}`);
}
console.log(`${payment.id} is ${payment.status}`);
console.log(`The payer pays at ${bootstrap.base_url}/pay/${payment.id}#${payment.access_token}`);
