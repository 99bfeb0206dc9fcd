// A payer in a real browser: sees what is on the pages, pays with a wallet, and nothing is asked of a foreign host.
//
//   npm ci --ignore-scripts && node payer.mjs BOOTSTRAP.json [FOLDER FOR SCREENSHOTS]
//
// With ANNOUNCED set, the contract's owner has announced a change, and the payer has to see that.
//
// Chromium is taken from CHROMIUM, else /usr/bin/chromium. Ends with 0 when everything is as it should be.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const [bootstrapFile, screenshots] = process.argv.slice(2);
const bootstrap = JSON.parse(await readFile(bootstrapFile, "utf8"));
const origin = bootstrap.base_url;
const playground = bootstrap.devchain ?? bootstrap.testnet;

// --- The merchant ---------------------------------------------------------------------------------------------------

async function ask(method, path, token, body) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(origin + path, { method, headers, body: body && JSON.stringify(body) });
  const json = await answer.json();
  assert(answer.ok, `${method} ${path}: ${answer.status} ${JSON.stringify(json)}`);
  return json;
}

const { access_token: merchant } = await ask("POST", "/api/v1/auth/authenticate", null, bootstrap.integration);

function create(name, lifetimeMs = 3_600_000, more = {}) {
  return ask("POST", "/api/v1/payments", merchant, {
    external_id: `${name}-${Date.now()}`,
    node_id: bootstrap.node_id,
    network_id: bootstrap.network_id,
    currency_id: bootstrap.currencies.USDT,
    price: 1234.5,
    paid_price: 1234.5,
    payment_method: "web3",
    payment_group: "product",
    payment_address: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
    expires_at: new Date(Date.now() + lifetimeMs).toISOString(),
    ...more,
  });
}

// --- The wallet -----------------------------------------------------------------------------------------------------

const account = privateKeyToAccount(playground.payer.private_key);
const chain = {
  id: playground.chain_id,
  name: "playground",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [playground.rpc_url] } },
};
const signer = createWalletClient({ account, chain, transport: http() });
let rejections = 0;

/** Answers what a page asks of a wallet; stands outside of the browser, as an extension does. */
async function walletAnswers({ method, params }) {
  switch (method) {
    case "eth_requestAccounts":
    case "eth_accounts":
      return { result: [account.address] };
    case "eth_sendTransaction": {
      if (rejections-- > 0) return { error: { code: 4001, message: "User rejected the request." } };
      const [{ to, data, value = "0x0" }] = params;
      return { result: await signer.sendTransaction({ to, data, value: BigInt(value) }) };
    }
    default: {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
      const headers = { "content-type": "application/json" };
      const { result, error } = await (await fetch(playground.rpc_url, { method: "POST", headers, body })).json();
      return { result, error };
    }
  }
}

/** The wallet's part inside of the page: `window.ethereum`, on a wrong network until it is told to switch. */
function injectWallet(rightChainId) {
  let chainId = 1;
  const listeners = {};
  window.ethereum = {
    on: (event, listener) => (listeners[event] = listener),
    async request({ method, params = [] }) {
      if (method === "eth_chainId") return `0x${chainId.toString(16)}`;
      if (method === "wallet_switchEthereumChain") {
        chainId = Number(params[0].chainId);
        if (chainId !== rightChainId) throw { code: 4902, message: "Unrecognized chain ID" };
        listeners.chainChanged?.(params[0].chainId);
        return null;
      }
      const { result, error } = await window.walletAnswers({ method, params });
      if (error) throw error;
      return result;
    },
  };
}

// --- The browser ----------------------------------------------------------------------------------------------------

const profile = await mkdtemp(join(tmpdir(), "quittance-browser-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"],
    ...["--disable-background-networking", "--disable-component-update"],
  ],
});
const foreign = [];
const faults = [];

async function open(path, { size = [1200, 900], dark = false, wallet = false } = {}) {
  const page = await browser.newPage();
  await page.setViewportSize({ width: size[0], height: size[1] });
  await page.emulateMedia({ colorScheme: dark ? "dark" : "light", reducedMotion: "reduce" });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !/^(data|blob):/.test(url)) foreign.push(url);
  });
  // A broken content security policy and an exception both end up here.
  page.on("pageerror", (error) => faults.push(`${path}: ${error}`));
  page.on("console", (message) => {
    const refused = /status of 4\d\d/.test(message.text());
    if (message.type() === "error" && !refused) faults.push(`${path}: ${message.text()}`);
  });
  if (wallet) {
    await page.exposeFunction("walletAnswers", walletAnswers);
    await page.addInitScript(injectWallet, playground.chain_id);
  }
  const answer = await page.goto(origin + path);
  assert(answer.headers()["content-security-policy"]?.includes("default-src 'none'"), `${path} has a policy`);
  return page;
}

const headline = (page, text) =>
  page.waitForFunction((text) => document.getElementById("headline").textContent === text, text, { timeout: 90_000 });

// The first of these that it shows.
const firstHeadline = async (page, texts) => {
  const shown = (texts) => texts.find((text) => document.getElementById("headline").textContent === text);
  return (await page.waitForFunction(shown, texts, { timeout: 90_000 })).jsonValue();
};

const narrow = [320, 640];
const phone = [390, 844];

async function look(page, name) {
  const [width, visible] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert(width <= visible, `${name} scrolls sideways: ${width} of ${visible} pixels`);
  if (screenshots) await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
}

const link = (payment, token = payment.access_token) => `/pay/${payment.id}#${token}`;

const scenes = {
  async "documents are read and tried out without a foreign host"() {
    const page = await open("/docs");
    const operation = page.locator("#operations-Operations-live");
    await operation.locator(".opblock-summary").click();
    await operation.getByRole("button", { name: "Execute" }).click();
    const body = operation.locator(".live-responses-table .response .microlight").first();
    await body.waitFor();
    assert.match(await body.textContent(), /"status": "up"/);
    await look(page, "docs");
  },

  async "a payment without a wallet asks for one, at every size"() {
    const payment = await create("browse");
    for (const [name, size, dark] of [["phone", phone], ["narrow-dark", narrow, true], ["desktop", [1200, 900]]]) {
      const page = await open(link(payment), { size, dark });
      await headline(page, "Open this page with a wallet");
      await page.waitForFunction(() => document.getElementById("qr").naturalWidth > 0);
      assert.equal(await page.locator("h1").innerText(), "1,234.50 USDT");
      assert.match(await page.locator("#countdown").innerText(), /^(59|1:00):\d\d$/);
      await look(page, `no-wallet-${name}`);
    }
  },

  async "a wrong token and a wrong link say so"() {
    const payment = await create("wrong");
    const page = await open(link(payment, "wrong"), { size: phone });
    await headline(page, "This link does not open the payment");
    await look(page, "wrong-token");
    const nothing = await open(link({ ...payment, id: "0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b" }));
    await headline(nothing, "There is no such payment");
  },

  async "a payment by card is not offered to a wallet"() {
    const card = { payment_method: "credit_card", payment_address: "DE89370400440532013000" };
    const page = await open(link(await create("card", 3_600_000, card)), { size: phone });
    await headline(page, "Not paid from a wallet");
  },

  async "a payment that is being set up becomes payable by itself"() {
    // A deal opens within a second or two, and on a busy machine that may be before the page has asked: then another one.
    for (let attempt = 1; attempt <= 6; attempt++) {
      const page = await open(link(await create(`pending-${attempt}`)), { size: phone, wallet: true });
      const first = await firstHeadline(page, ["Preparing the payment", "Connect your wallet"]);
      if (first === "Preparing the payment") {
        await look(page, "pending");
        await headline(page, "Connect your wallet");
        return;
      }
      await page.close();
    }
    assert(false, "no page was there before its deal");
  },

  async "an open page notices that the time is over"() {
    const page = await open(link(await create("late", 6000)), { size: phone, dark: true });
    await headline(page, "Expired");
    await look(page, "expired");
  },

  async "a payer with a wallet connects, approves, deposits and sees that it is paid"() {
    const payment = await create("paid");
    const page = await open(link(payment), { size: phone, wallet: true });
    const button = async (name) => {
      const found = page.getByRole("button", { name, exact: true });
      await found.waitFor();
      await look(page, `payer-${name.split(" ")[0].toLowerCase()}`);
      await found.click();
    };
    await button("Connect wallet");
    await button(`Switch to network ${playground.chain_id}`);
    rejections = 1;
    await button("Approve 1,234.50 USDT");
    await page.getByText("You declined it in your wallet.").waitFor();
    await look(page, "payer-declined");
    await button("Approve 1,234.50 USDT");
    const announced = page.locator("#announced");
    if (process.env.ANNOUNCED) {
      await page.getByText("The contract's owner has announced a change").waitFor();
      assert.match(await announced.innerText(), /It may happen from .*\d.* on\.$/);
    } else {
      assert.equal(await announced.innerText(), "");
    }
    await button("Pay 1,234.50 USDT");
    await headline(page, "Paid");
    await look(page, "paid");
    const stored = await ask("GET", `/api/v1/payments/${payment.id}`, merchant);
    assert.equal(stored.status, "paid");
    const again = await open(link(payment), { size: [1200, 900], dark: true });
    await headline(again, "Paid");
    await look(again, "paid-desktop-dark");
  },
};

let failed = false;
try {
  for (const [name, scene] of Object.entries(scenes)) {
    const started = Date.now();
    await scene();
    console.log(`${name}: ${((Date.now() - started) / 1000).toFixed(1)} s`);
  }
  assert.deepEqual(foreign, [], "nothing is asked of a foreign host");
  assert.deepEqual(faults, [], "no page has faults");
} catch (error) {
  failed = true;
  console.error(error, { foreign, faults });
}
await browser.close();
await rm(profile, { recursive: true, force: true });
process.exitCode = failed ? 1 : 0;
