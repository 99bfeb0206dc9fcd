// Guides a payer: read the payment, connect a wallet (EIP-1193, found by EIP-6963), approve, deposit, watch until paid.
// Amounts stay strings and BigInts in the token's smallest unit; nothing passes through a floating-point number.
"use strict";

const SELECTOR = {
  deposit: "0xb6b55f25",
  approve: "0x095ea7b3",
  allowance: "0xdd62ed3e",
  balanceOf: "0x70a08231",
};
const POLL_MS = 2000;
const NAMES = { 1: "Ethereum", 10: "OP Mainnet", 56: "BNB Smart Chain", 137: "Polygon", 8453: "Base", 42161: "Arbitrum One", 31337: "Development chain" };
const ENDED = {
  paid: ["good", "Paid", "Payment received", "The deposit is final. You can close this page."],
  completed: ["good", "Paid", "Payment received", "The merchant has been paid. You can close this page."],
  canceling: ["wait", "Canceling", "This payment is being canceled", "If you have paid, your deposit comes back to your wallet."],
  canceled: ["bad", "Canceled", "This payment was canceled", "Nothing is to be paid any more."],
  expired: ["bad", "Expired", "The time to pay is over", "Ask the merchant for a new payment."],
  failed: ["bad", "Failed", "This payment failed", "Nothing was charged. Ask the merchant for a new payment."],
  rejected: ["bad", "Rejected", "This payment was rejected", "Ask the merchant what to do."],
  refunded: ["good", "Refunded", "Your deposit came back", "The full amount was returned to your wallet."],
  needs_review: ["wait", "In review", "This payment is being looked at", "The outcome is not certain yet. The merchant will tell you."],
};

const $ = (id) => document.getElementById(id);
const id = location.pathname.split("/").pop();
const token = location.hash.slice(1);
const state = { payment: null, opened: Date.now(), wallets: new Map(), wallet: null, account: null, sent: null, busy: false, ended: false, failures: 0 };

const word = (value) => BigInt(value).toString(16).padStart(64, "0");
const units = (amount, decimals) => {
  const digits = amount.padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const fraction = decimals ? digits.slice(-decimals).replace(/0+$/, "") : "";
  return fraction ? `${whole}.${fraction}` : whole;
};
const short = (hash) => `${hash.slice(0, 10)}…${hash.slice(-8)}`;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function show(view, tone, badge) {
  const card = $("card");
  card.dataset.view = view;
  card.dataset.tone = tone;
  card.setAttribute("aria-busy", String(view === "loading"));
  if ($("badge").textContent !== badge) $("badge").textContent = badge;
}

function alertUser(text) {
  $("alert").textContent = text || "";
  $("alert").hidden = !text;
}

function action(text, busy, hint) {
  $("action").hidden = !text;
  $("actionText").textContent = text || "";
  $("action").setAttribute("aria-disabled", String(Boolean(busy)));
  $("hint").textContent = hint || "";
}

function steps(now) {
  const order = ["connect", "approve", "pay", "confirm"];
  $("steps").hidden = false;
  for (const item of $("steps").children) {
    const at = order.indexOf(item.dataset.step) - order.indexOf(now);
    item.dataset.state = at < 0 ? "done" : at === 0 ? "now" : "next";
    if (at === 0) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
}

function end(tone, badge, title, text) {
  if (state.ended && $("outcomeTitle").textContent === title) return;
  state.ended = true;
  show("ended", tone, badge);
  for (const part of ["time", "steps", "phone", "wallets"]) $(part).hidden = true;
  action("", false, "");
  alertUser("");
  $("outcome").hidden = false;
  $("outcomeTitle").textContent = title;
  $("outcomeText").textContent = text;
  $("outcomeTitle").focus();
  document.title = title;
}

function render() {
  const payment = state.payment;
  $("order").textContent = `Order ${payment.external_id}`;
  $("amount").textContent = units(payment.amount, payment.price_decimals);
  $("symbol").textContent = payment.currency;
  $("network").textContent = `on ${NAMES[payment.network_id] || `network ${payment.network_id}`}`;
  document.title = `Pay ${$("amount").textContent} ${payment.currency}`;
  $("payee").textContent = payment.payment_address;
  $("diamond").textContent = payment.diamond_address || "";
  $("diamondRow").hidden = !payment.diamond_address;
  $("token").textContent = payment.token_address || "";
  $("tokenRow").hidden = !payment.token_address;
  $("facts").hidden = false;
  if (ENDED[payment.status]) return end(...ENDED[payment.status]);
  $("time").hidden = payment.status === "submitted";
  $("phone").hidden = payment.status !== "open" || Boolean(state.sent);
  if (payment.status === "submitted" || state.sent) {
    show("pay", "wait", "Confirming");
    steps("confirm");
    if (!state.busy) action("Waiting for confirmations", true, "Your deposit was seen. This page changes by itself.");
  } else if (!payment.contract) {
    show("pay", "wait", "Preparing");
    steps("connect");
    action("Preparing the payment", true, "This takes a few seconds.");
  } else if (!state.busy) {
    show("pay", "", "Ready to pay");
    offer();
  }
}

function offer() {
  const payment = state.payment;
  if (state.account) {
    steps("pay");
    action(`Pay ${$("amount").textContent} ${payment.currency}`, false, `From ${short(state.account)}`);
  } else if (state.wallets.size) {
    steps("connect");
    action("Connect wallet", false, "You confirm each step in your wallet.");
  } else {
    steps("connect");
    action("", false, "No wallet was found in this browser. Scan the code, or open this page in your wallet’s browser.");
    $("phone").open = true;
  }
}

function tick() {
  const payment = state.payment;
  if (!payment || state.ended) return;
  const until = Date.parse(payment.expires_at);
  const left = Math.max(0, Math.floor((until - Date.now()) / 1000));
  const parts = [Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60, left % 60];
  const days = Math.floor(left / 86400);
  const clock = (parts[0] || days ? parts : parts.slice(1)).map((part) => String(part).padStart(2, "0")).join(":");
  $("countdown").textContent = days ? `${days} d ${clock}` : clock;
  $("left").value = Math.round((1000 * (until - Date.now())) / Math.max(1, until - state.opened));
  $("time").classList.toggle("late", left < 60);
  if (left === 0 && payment.status === "open" && !state.sent) end(...ENDED.expired);
}

async function load() {
  const answer = await fetch(`/api/v1/widget/payments/${encodeURIComponent(id)}`, {
    headers: { authorization: `Bearer ${token}` }, cache: "no-store", credentials: "omit",
  });
  if (answer.status === 401 || answer.status === 404 || answer.status === 400) {
    const over = state.payment && Date.parse(state.payment.expires_at) <= Date.now();
    if (over && state.sent) return end("wait", "Sent", "Your payment was sent", "The time of this page is over. The merchant sees the payment when it is final.");
    if (over) return end(...ENDED.expired);
    return end("bad", "Not valid", "This link is not valid", "It may have expired, or a part of it is missing. Ask the merchant for a new one.");
  }
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  state.payment = await answer.json();
  state.failures = 0;
  render();
}

async function watch() {
  while (!(state.ended && final())) {
    try {
      await load();
      if (state.offline) { state.offline = false; alertUser(""); }
    } catch {
      state.failures += 1;
      if (state.failures === 3) { state.offline = true; alertUser("The connection is interrupted. Trying again…"); }
    }
    const slow = document.hidden || state.ended ? 8 : 1;
    await sleep(POLL_MS * slow * Math.min(1 + state.failures, 8));
  }
}

// States that nothing follows, and links that will not become valid.
function final() {
  const status = state.payment && state.payment.status;
  return !status || ["completed", "canceled", "expired", "failed", "refunded"].includes(status) || Date.parse(state.payment.expires_at) <= Date.now();
}

const ask = (method, params) => state.wallet.request({ method, params });

async function connect(wallet) {
  state.wallet = wallet;
  $("wallets").hidden = true;
  const accounts = await ask("eth_requestAccounts", []);
  state.account = accounts[0];
  $("account").textContent = state.account;
  $("accountRow").hidden = false;
  if (wallet.on) wallet.on("accountsChanged", (changed) => { state.account = changed[0] || null; if (!state.busy) render(); });
}

function choose() {
  const box = $("wallets");
  box.replaceChildren();
  for (const { info, provider } of state.wallets.values()) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = info.name;
    button.addEventListener("click", () => run(() => connect(provider)));
    box.append(button);
  }
  box.hidden = false;
  box.firstElementChild.focus();
}

async function onNetwork() {
  const wanted = `0x${BigInt(state.payment.network_id).toString(16)}`;
  if (BigInt(await ask("eth_chainId", [])) === BigInt(wanted)) return;
  action("Switch the network", true, "Your wallet asks you to switch the network.");
  try {
    await ask("wallet_switchEthereumChain", [{ chainId: wanted }]);
  } catch (error) {
    if (error && error.code === 4902) throw new Error(`Add the network with number ${state.payment.network_id} to your wallet, then try again.`);
    throw error;
  }
}

async function mined(hash) {
  for (;;) {
    const receipt = await ask("eth_getTransactionReceipt", [hash]);
    if (receipt && BigInt(receipt.status) !== 1n) throw new Error("The network refused the transaction. Nothing was paid.");
    if (receipt) return;
    await sleep(1500);
  }
}

const call = async (to, data) => BigInt((await ask("eth_call", [{ to, data }, "latest"])) || "0x0");
const send = (to, data, value) => ask("eth_sendTransaction", [{ from: state.account, to, data, value: `0x${value.toString(16)}` }]);

async function approve(amount) {
  const { token_address: coin, diamond_address: spender } = state.payment;
  const balance = await call(coin, SELECTOR.balanceOf + word(state.account));
  if (balance < amount) {
    const has = units(balance.toString(), state.payment.price_decimals);
    throw new Error(`Your wallet has only ${has} ${state.payment.currency} on this network.`);
  }
  const allowed = await call(coin, SELECTOR.allowance + word(state.account) + word(spender));
  if (allowed >= amount) return;
  steps("approve");
  // Some tokens take a new allowance only when the old one is zero.
  for (const next of allowed > 0n ? [0n, amount] : [amount]) {
    action("Approve in your wallet", true, `Allows the contract to take ${$("amount").textContent} ${state.payment.currency}, no more.`);
    const hash = await send(coin, SELECTOR.approve + word(spender) + word(next), 0n);
    action("Approving", true, "Waiting for the network.");
    await mined(hash);
  }
}

async function pay() {
  const { amount: text, token_address: coin, diamond_address: diamond, contract } = state.payment;
  const amount = BigInt(text);
  await onNetwork();
  action("Checking", true, "");
  if (coin) await approve(amount);
  steps("pay");
  action("Confirm in your wallet", true, "One more confirmation, then you are done.");
  const hash = await send(diamond, SELECTOR.deposit + word(contract.arguments[0]), coin ? 0n : amount);
  state.sent = hash;
  linkTransaction(hash);
  steps("confirm");
  action("Waiting for confirmations", true, "Your payment was sent. This page changes by itself.");
  try {
    await mined(hash);
  } catch (error) {
    state.sent = null;
    throw error;
  }
}

function linkTransaction(hash) {
  const link = $("transaction");
  link.textContent = short(hash);
  try {
    const explorer = new URL(state.payment.explorer_url);
    if (["https:", "http:"].includes(explorer.protocol)) link.href = `${explorer.href.replace(/\/$/, "")}/tx/${hash}`;
  } catch { /* no explorer: the hash alone */ }
  $("transactionRow").hidden = false;
}

function explain(error) {
  if (error && error.code === 4001) return "You declined in your wallet. Nothing was paid.";
  if (error && error.code === -32002) return "Your wallet is waiting for an answer. Open it and confirm there.";
  const text = (error && ((error.data && error.data.message) || error.message)) || String(error);
  return text.length > 240 ? `${text.slice(0, 240)}…` : text;
}

async function run(task) {
  if (state.busy) return;
  state.busy = true;
  alertUser("");
  try {
    await task();
  } catch (error) {
    alertUser(explain(error));
  } finally {
    state.busy = false;
    if (!state.ended && state.payment) render();
  }
}

async function drawCode() {
  if (!$("phone").open || $("qr").src) return;
  const answer = await fetch(`/api/v1/widget/payments/${encodeURIComponent(id)}/qr?origin=${encodeURIComponent(location.origin)}`, {
    headers: { authorization: `Bearer ${token}` }, credentials: "omit",
  });
  if (answer.ok) $("qr").src = URL.createObjectURL(await answer.blob());
}

$("action").addEventListener("click", () => {
  if ($("action").getAttribute("aria-disabled") === "true") return;
  if (state.account) run(pay);
  else if (state.wallets.size > 1) choose();
  else run(() => connect(state.wallets.values().next().value.provider));
});
$("phone").addEventListener("toggle", () => drawCode().catch(() => {}));
addEventListener("hashchange", () => location.reload());
addEventListener("eip6963:announceProvider", (event) => {
  const { info, provider } = event.detail;
  state.wallets.delete("injected");
  state.wallets.set(info.uuid, { info, provider });
});
dispatchEvent(new Event("eip6963:requestProvider"));
if (!state.wallets.size && window.ethereum) state.wallets.set("injected", { info: { name: "Browser wallet" }, provider: window.ethereum });

if (!token) end("bad", "Not valid", "This link is not complete", "Open the link exactly as the merchant gave it to you.");
else { watch(); setInterval(tick, 1000); }
