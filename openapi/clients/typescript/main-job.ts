// Creates a payment, reads and cancels it with a client that openapi-generator (typescript-fetch) has generated, or verifies
// an event:
//
//   node main-job.js pay BOOTSTRAP_JSON
//   node main-job.js verify EVENT_JSON

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";
import { AuthenticationApi, Configuration, EventPaymentChangedFromJSON, PaymentsApi } from "./client/index.js";

const [job, file] = process.argv.slice(2);
const given = JSON.parse(readFileSync(file!, "utf8"));

async function pay(): Promise<void> {
  const basePath: string = given.base_url;
  const { api_key: apiKey, secret_key: secretKey } = given.integration;
  const open = new AuthenticationApi(new Configuration({ basePath }));
  const { accessToken } = await open.authenticate({ credentials: { apiKey, secretKey } });
  const payments = new PaymentsApi(new Configuration({ basePath, accessToken }));
  const order = `typescript-${randomUUID()}`;
  const created = await payments.createPayment({
    idempotencyKey: order,
    newPayment: {
      externalId: order,
      nodeId: given.node_id,
      networkId: given.network_id,
      currencyId: given.currencies.USDT,
      price: "12.50",
      paidPrice: 12.5,
      paymentMethod: "web3",
      paymentGroup: "product",
      paymentAddress: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
      expiresAt: new Date(Date.now() + 3_600_000),
    },
  });
  if (created.priceText !== "12.5") throw new Error(`${created.priceText}`);
  await payments.cancelPayment({ id: created.id });
  const patience = Date.now() + 60_000;
  for (let payment = created; payment.status !== "canceled"; payment = await payments.getPayment({ id: created.id })) {
    if (Date.now() > patience) throw new Error(`${created.id} is still ${payment.status}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  console.log(created.id);
}

function verify(): void {
  const event = EventPaymentChangedFromJSON(new Webhook(given.secret).verify(given.body, given.headers));
  console.log(event.type, event.data.payment.id);
}

await (job === "pay" ? pay() : verify());
