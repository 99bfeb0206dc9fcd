// A wallet in the browser (EIP-1193, found by EIP-6963) and the few calls that a deposit needs.

/** A wallet's refusals and our own, told to the payer as they are. */
export class WalletError extends Error {}

const REJECTED = 4001;
const UNKNOWN_CHAIN = 4902;
const PENDING = -32002;

// First four bytes of the hashes of the signatures.
const SELECTOR = {
  approve: "0x095ea7b3", // approve(address,uint256)
  allowance: "0xdd62ed3e", // allowance(address,address)
  balanceOf: "0x70a08231", // balanceOf(address)
};

const word = (value) => BigInt(value).toString(16).padStart(64, "0");
const call = (name, ...words) => SELECTOR[name] + words.map(word).join("");

/** Calls back with all wallets known so far, now and whenever one announces itself. */
export function onWallets(listener) {
  const found = new Map();
  const tell = () => {
    const wallets = [...found.values()];
    if (wallets.length === 0 && window.ethereum) {
      wallets.push({ name: "Wallet", icon: "", provider: window.ethereum });
    }
    listener(wallets);
  };
  window.addEventListener("eip6963:announceProvider", ({ detail }) => {
    if (!detail?.provider || !detail.info) return;
    const icon = String(detail.info.icon ?? "");
    found.set(detail.info.uuid, {
      name: String(detail.info.name ?? "Wallet"),
      icon: icon.startsWith("data:image/") ? icon : "",
      provider: detail.provider,
    });
    tell();
  });
  // Older wallets only put themselves into the window, some of them late.
  window.addEventListener("ethereum#initialized", tell);
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  tell();
}

/** One account of one wallet. */
export class Wallet {
  constructor(provider, onChange) {
    this.provider = provider;
    this.account = null;
    this.chainId = null;
    provider.on?.("accountsChanged", (accounts) => {
      this.account = accounts[0] ?? null;
      onChange();
    });
    provider.on?.("chainChanged", (chainId) => {
      this.chainId = Number(chainId);
      onChange();
    });
  }

  async connect() {
    const accounts = await this.#ask("eth_requestAccounts");
    this.account = accounts[0] ?? null;
    this.chainId = Number(await this.#ask("eth_chainId"));
  }

  async switchTo(chainId) {
    const parameters = [{ chainId: "0x" + chainId.toString(16) }];
    try {
      await this.#ask("wallet_switchEthereumChain", parameters);
    } catch (error) {
      if (error.code === UNKNOWN_CHAIN) {
        throw new WalletError(`Your wallet does not know network ${chainId}. Add it there, then try again.`);
      }
      throw error;
    }
    this.chainId = Number(await this.#ask("eth_chainId"));
  }

  /** What the account has of the currency: of a token, or of the network's own coin when there is none. */
  async balance(token) {
    if (!token) return BigInt(await this.#ask("eth_getBalance", [this.account, "latest"]));
    return this.#read(token, call("balanceOf", this.account));
  }

  /** What the spender may take of the token. */
  async allowance(token, spender) {
    return this.#read(token, call("allowance", this.account, spender));
  }

  approve(token, spender, amount) {
    return this.#send({ to: token, data: call("approve", spender, amount) });
  }

  /** Calls the function that pays: of a diamond of ours, or of whichever contract the server describes. */
  deposit(diamond, { selector, arguments: terms }, value) {
    const data = selector + terms.map(word).join("");
    return this.#send({ to: diamond, data, value: "0x" + value.toString(16) });
  }

  /** Waits until the transaction is in a block; throws when it was reverted there. */
  async mined(hash) {
    for (;;) {
      const receipt = await this.#ask("eth_getTransactionReceipt", [hash]).catch(() => null);
      if (receipt) {
        if (BigInt(receipt.status) === 1n) return;
        throw new WalletError("The network refused the transaction. Nothing was paid.");
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  async #read(to, data) {
    const answer = await this.#ask("eth_call", [{ to, data }, "latest"]);
    if (!answer || answer === "0x") throw new WalletError("The currency's contract does not answer on this network.");
    return BigInt(answer);
  }

  #send(transaction) {
    return this.#ask("eth_sendTransaction", [{ from: this.account, ...transaction }]);
  }

  async #ask(method, params = []) {
    try {
      return await this.provider.request({ method, params });
    } catch (error) {
      if (error?.code === REJECTED) throw new WalletError("You declined it in your wallet.");
      if (error?.code === PENDING) throw new WalletError("Your wallet is still waiting for your answer. Open it.");
      if (error?.code === UNKNOWN_CHAIN || error?.data?.originalError?.code === UNKNOWN_CHAIN) {
        throw Object.assign(new Error(), { code: UNKNOWN_CHAIN });
      }
      throw new WalletError(error?.data?.message ?? error?.message ?? "Your wallet reports an error.");
    }
  }
}
