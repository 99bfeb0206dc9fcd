// The payment page: reads the payment with the token from its own address, and lets a wallet pay it.

import { amountText, remainingText, shorten } from "./text.js";
import { Wallet, WalletError, onWallets } from "./wallet.js";

const byId = (id) => document.getElementById(id);
const page = byId("page");
const paymentId = location.pathname.split("/")[2];
const token = location.hash.slice(1);
const source = `/api/v1/widget/payments/${paymentId}`;
const depositKey = `deposit:${paymentId}`;

/** What is known: of the payment, of the wallet, and what is under way. */
const known = {
  payment: null,
  clockOffsetMs: 0,
  unreachable: false,
  refused: null,
  wallets: [],
  wallet: null,
  /** `{ balance, allowance }` of the connected account, null until read. */
  funds: null,
  /** What the page does at this moment, in words; null when it waits for the payer. */
  doing: null,
  note: "",
  // A page that was reloaded must not invite to pay twice. The contract would refuse the second deposit anyway.
  deposited: sessionStorage.getItem(depositKey) !== null,
};

const now = () => Date.now() + known.clockOffsetMs;
const amount = () => BigInt(known.payment.amount);
const price = () => `${amountText(known.payment)} ${known.payment.currency}`;

// --- The payment ---------------------------------------------------------------------------------------------------

/** Reads the payment, shows it, and comes again as long as something can change. */
async function follow() {
  let waitMs = 1500;
  try {
    const answer = await fetch(source, { headers: { authorization: `Bearer ${token}` }, cache: "no-store" });
    known.unreachable = false;
    if (answer.ok) {
      known.payment = await answer.json();
      known.clockOffsetMs = Date.parse(answer.headers.get("date") ?? new Date()) - Date.now();
      if (known.payment.status !== "open" && known.payment.status !== "pending") sessionStorage.removeItem(depositKey);
      if (["paid", "needs_review", "failed", "rejected"].includes(known.payment.status)) waitMs = 15_000;
      if (["completed", "canceled", "expired", "refunded"].includes(known.payment.status)) waitMs = 0;
    } else if (answer.status === 429 || answer.status >= 500) {
      known.unreachable = answer.status >= 500;
      waitMs = 1000 * Math.max(5, Number(answer.headers.get("retry-after")));
    } else {
      known.refused = answer.status;
      waitMs = 0;
    }
  } catch {
    known.unreachable = true;
    waitMs = 4000;
  }
  show();
  if (waitMs) setTimeout(follow, document.hidden ? 5 * waitMs : waitMs);
}

async function showQr() {
  const query = new URLSearchParams({ origin: location.origin });
  const answer = await fetch(`${source}/qr?${query}`, { headers: { authorization: `Bearer ${token}` } });
  if (answer.ok) byId("qr").src = URL.createObjectURL(await answer.blob());
}

// --- The wallet ----------------------------------------------------------------------------------------------------

/** Does one thing with the wallet, says so, and tells what went wrong. */
async function act(doing, steps) {
  Object.assign(known, { doing, note: "" });
  show();
  try {
    await steps();
  } catch (error) {
    known.note = error instanceof WalletError ? error.message : "Something went wrong. Try again.";
    if (!(error instanceof WalletError)) console.error(error);
  }
  known.doing = null;
  show();
}

async function readFunds() {
  const { token_address: currency, diamond_address: diamond } = known.payment;
  known.funds = null;
  if (!known.wallet?.account || known.wallet.chainId !== known.payment.network_id) return;
  const balance = await known.wallet.balance(currency);
  const allowance = currency ? await known.wallet.allowance(currency, diamond) : amount();
  known.funds = { balance, allowance };
}

const walletChanged = () => {
  if (known.doing === null && known.payment) act("Looking at your wallet…", readFunds);
};

const connect = (provider) =>
  act("Connect in your wallet…", async () => {
    if (known.wallet?.provider !== provider) known.wallet = new Wallet(provider, walletChanged);
    await known.wallet.connect();
    await readFunds();
  });

const switchNetwork = () =>
  act("Switch the network in your wallet…", async () => {
    await known.wallet.switchTo(known.payment.network_id);
    await readFunds();
  });

const approve = () =>
  act("Approve in your wallet…", async () => {
    const { token_address: currency, diamond_address: diamond } = known.payment;
    // Some tokens refuse to change an allowance that is not zero.
    const approvals = known.funds.allowance > 0n ? [0n, amount()] : [amount()];
    for (const approval of approvals) {
      const hash = await known.wallet.approve(currency, diamond, approval);
      known.doing = "Waiting for the approval to be mined…";
      show();
      await known.wallet.mined(hash);
    }
    await readFunds();
  });

const deposit = () =>
  act("Confirm the payment in your wallet…", async () => {
    const { contract, diamond_address: diamond, token_address: currency } = known.payment;
    const hash = await known.wallet.deposit(diamond, contract, currency ? 0n : amount());
    sessionStorage.setItem(depositKey, hash);
    known.deposited = true;
    known.doing = "Waiting for the payment to be mined…";
    show();
    try {
      await known.wallet.mined(hash);
    } catch (error) {
      sessionStorage.removeItem(depositKey);
      known.deposited = false;
      await readFunds();
      throw error;
    }
  });

// --- What is shown -------------------------------------------------------------------------------------------------

/** Each: look, how many steps are done, headline, explanation. */
const STATES = {
  pending: ["busy", 0, "Preparing the payment", "The payment is being set up on chain. This takes a few seconds."],
  submitted: ["busy", 1, "Payment seen", "Waiting for the network to confirm it. You may close this page."],
  paid: ["good", 3, "Paid", "The payment is confirmed. You may close this page."],
  completed: ["good", 3, "Paid", "The payment is confirmed and has been handed over. You may close this page."],
  canceling: ["busy", 1, "Being canceled", "The seller canceled this payment. What you paid in comes back to you."],
  canceled: ["over", 0, "Canceled", "The seller canceled this payment. Nothing is owed."],
  expired: ["over", 0, "Expired", "The time to pay is over. Ask the seller for a new payment link."],
  failed: ["bad", 0, "Failed", "The payment could not be set up. Nothing was taken. Ask the seller what to do."],
  rejected: ["bad", 0, "Rejected", "The payment was not accepted. Ask the seller what to do."],
  refunded: ["over", 0, "Refunded", "The payment was returned to the account that paid it."],
  needs_review: ["bad", 0, "Under review", "A person looks at this payment. Do not pay again; ask the seller."],
};

const REFUSALS = {
  400: ["bad", 0, "This is no payment link", "Check that you copied all of it."],
  401: ["bad", 0, "This link does not open the payment", "It is incomplete or has expired. Ask the seller for a new one."],
  404: ["bad", 0, "There is no such payment", "Check the link, or ask the seller for a new one."],
};

/** What the contract's owner has announced, as long as the contract holds, or may come to hold, the payer's money. */
function announcedText() {
  const { status, announced = [] } = known.payment;
  if (!["pending", "open", "submitted", "paid", "canceling"].includes(status)) return "";
  const sentences = announced.map(({ kind, from }) => {
    const time = new Date(from).toLocaleString();
    return kind === "owner"
      ? `The contract was offered to another owner, who may take it over from ${time} on.`
      : `The contract's owner has announced a change of what it does. It may happen from ${time} on.`;
  });
  return sentences.join(" ");
}

const ELSEWHERE = ["over", 0, "Not paid from a wallet", "Pay as the seller told you; this page follows the payment."];

/** What an open payment asks for: look, steps, headline, explanation, and the button with what it does. */
function openState() {
  const { payment, wallet, wallets, funds } = known;
  if (known.doing) return ["busy", 1, known.doing, "Do not close this page."];
  if (known.deposited) return ["busy", 1, "Payment sent", "Waiting for the network to see it."];
  if (wallets.length === 0) {
    return ["ready", 1, "Open this page with a wallet", "There is none in this browser. Scan the code with a wallet app."];
  }
  if (!wallet?.account) {
    const one = wallets.length === 1;
    const button = one ? ["Connect wallet", () => connect(wallets[0].provider)] : null;
    return ["ready", 1, one ? "Connect your wallet" : "Choose your wallet", "It asks before anything is paid.", button];
  }
  const account = `Connected: ${shorten(wallet.account)}.`;
  if (wallet.chainId !== payment.network_id) {
    const button = [`Switch to network ${payment.network_id}`, switchNetwork];
    return ["ready", 1, "Switch the network", `${account} The payment is on network ${payment.network_id}.`, button];
  }
  if (!funds) {
    const button = ["Look again", walletChanged];
    return ["bad", 1, "Your wallet does not answer", `${account} Its balance could not be read.`, button];
  }
  if (funds.balance < amount()) {
    const has = `${amountText(payment, funds.balance)} ${payment.currency}`;
    return ["bad", 1, "Not enough in this account", `${account} It has ${has}.`, ["Look again", walletChanged]];
  }
  if (funds.allowance < amount()) {
    const explanation = `${account} First allow the contract to take this amount, and no more.`;
    return ["ready", 1, "Step 1 of 2: approve", explanation, [`Approve ${price()}`, approve]];
  }
  const headline = payment.token_address ? "Step 2 of 2: pay" : "Ready to pay";
  return ["ready", 1, headline, `${account} The contract holds it for the seller.`, [`Pay ${price()}`, deposit]];
}

function state() {
  const { payment, refused } = known;
  if (!payment) {
    if (refused) return REFUSALS[refused] ?? REFUSALS[404];
    return ["loading", 0, known.unreachable ? "No connection" : "Loading the payment…", "Trying again by itself."];
  }
  const over = Date.parse(payment.expires_at) <= now();
  if (over && refused && (payment.status === "submitted" || known.deposited)) {
    return ["over", 1, "Payment seen", "This link has expired. The seller is told when the payment is confirmed."];
  }
  if (over && ["pending", "open"].includes(payment.status) && !known.deposited) return STATES.expired;
  const payable = payment.payment_method === "web3";
  if (!payable && ["pending", "open"].includes(payment.status)) return ELSEWHERE;
  if (payment.status !== "open") return STATES[payment.status] ?? STATES.needs_review;
  return payment.contract ? openState() : ELSEWHERE;
}

function show() {
  const [look, done, headline, explanation, button] = state();
  page.dataset.look = look;
  page.toggleAttribute("data-wallet", known.wallets.length > 0);
  page.toggleAttribute("data-refused", known.refused !== null && !known.payment);
  setText("headline", headline);
  setText("explanation", known.unreachable && known.payment ? "No connection. Trying again by itself." : explanation);
  setText("note", known.note);
  const action = byId("action");
  action.hidden = !button;
  if (button) {
    setText("action", button[0]);
    action.onclick = button[1];
  }
  [...byId("progress").children].forEach((step, index) => {
    step.className = index < done ? "done" : "";
    if (index === done) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  });
  showChoice(headline === "Choose your wallet");
  if (known.payment) showPayment(headline);
}

function showChoice(wanted) {
  const choice = byId("choice");
  choice.hidden = !wanted;
  if (!wanted || choice.childElementCount === known.wallets.length) return;
  const buttons = known.wallets.map(({ name, icon, provider }) => {
    const button = document.createElement("button");
    button.type = "button";
    if (icon) button.append(Object.assign(new Image(), { src: icon, alt: "" }));
    button.append(name);
    button.onclick = () => connect(provider);
    return button;
  });
  choice.replaceChildren(...buttons);
}

let shownOnce = false;

function showPayment(headline) {
  const payment = known.payment;
  setText("order", payment.external_id);
  setText("amount", amountText(payment));
  setText("currency", payment.currency);
  document.title = `${headline} · ${price()}`;
  setText("announced", announcedText());
  setText("payee", payment.payment_address);
  setText("network", String(payment.network_id));
  setText("diamond", payment.diamond_address ?? "not known yet");
  setText("token", [payment.currency, payment.token_address].filter(Boolean).join(" "));
  const payable = ["pending", "open"].includes(payment.status) && page.dataset.look !== "over";
  byId("elsewhere").hidden = !payable;
  byId("facts").hidden = false;
  if (!shownOnce && payable) {
    shownOnce = true;
    byId("elsewhere").open = known.wallets.length === 0;
    showQr();
  }
  tick();
}

/** The countdown, once a second. */
function tick() {
  const payment = known.payment;
  if (!payment) return;
  const leftMs = Date.parse(payment.expires_at) - now();
  const counts = ["pending", "open"].includes(payment.status) && leftMs > 0;
  setText("remaining-label", counts ? "Pay within" : "\u00a0");
  setText("countdown", counts ? remainingText(leftMs) : "");
  page.toggleAttribute("data-hurry", counts && leftMs < 120_000);
}

/** Only changes are written: a screen reader would repeat the rest. */
function setText(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

byId("copy").addEventListener("click", async () => {
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  setText("copy", copied ? "Copied" : "Copy it from the address bar");
  setTimeout(() => setText("copy", "Copy the link"), 3000);
});
window.addEventListener("hashchange", () => location.reload());
document.addEventListener("visibilitychange", () => document.hidden || show());
setInterval(() => {
  const expired = known.payment && Date.parse(known.payment.expires_at) <= now();
  if (expired && page.dataset.look !== "over") show();
  else tick();
}, 1000);
onWallets((wallets) => {
  known.wallets = wallets;
  show();
});
follow();
