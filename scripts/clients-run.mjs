// Lets generated clients make their first payment, and verify an event of it, against an installation of their own:
//   node scripts/clients-run.mjs BINARY NAME=COMMAND…
// Each COMMAND is run with `pay BOOTSTRAP_JSON`, which must print the id of a payment that it has created, read and canceled;
// then with `verify EVENT_JSON`, which must print the type and the payment of an event that this installation has signed, and
// must fail when a byte of it is another.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [binary, ...commands] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "quittance-clients-"));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs it to its end and returns what it has printed, or undefined if it failed. */
function run(command, ...rest) {
  const [program, ...first] = command.split(" ");
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...first, ...rest], { stdio: ["ignore", "pipe", "pipe"] });
    let [printed, told] = ["", ""];
    child.stdout.on("data", (bytes) => (printed += bytes));
    child.stderr.on("data", (bytes) => (told += bytes));
    child.on("error", reject);
    child.on("close", (status) => resolve({ ok: status === 0, printed: printed.trim(), told }));
  });
}

async function until(what, look) {
  for (const end = Date.now() + 90_000; Date.now() < end; await pause(100)) {
    const seen = await look();
    if (seen) return seen;
  }
  throw new Error(`${what} did not come within 90 s`);
}

/** What comes to our endpoint, as it came. */
const received = [];
const receiver = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    response.writeHead(204).end();
  });
});

const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

async function ask(url, token, body) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

/** An endpoint of ours for payments' events; returns its secret. */
async function subscribe({ base_url, node_id, integration }) {
  await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  const { access_token } = await ask(`${base_url}/api/v1/auth/authenticate`, "", integration);
  const endpoint = { node_id, url: `http://127.0.0.1:${receiver.address().port}/`, events: ["payment.*"] };
  return (await ask(`${base_url}/api/v1/webhooks`, access_token, endpoint)).secret;
}

async function mainJob(name, command, secret) {
  const paid = await run(command, "pay", join(folder, "bootstrap.json"));
  if (!paid.ok) throw new Error(`${name} cannot pay: ${paid.printed}\n${paid.told}`);
  const id = paid.printed.split("\n").pop();
  const of = ({ body }) => JSON.parse(body).data.payment.id === id && JSON.parse(body).type === "payment.canceled";
  const { headers, body } = await until(`payment.canceled of ${name}'s payment ${id}`, () => received.find(of));
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify({ secret, headers, body }));
  const verified = await run(command, "verify", file);
  if (!verified.ok || verified.printed !== `payment.canceled ${id}`)
    throw new Error(`${name} cannot verify: ${verified.printed}\n${verified.told}`);
  writeFileSync(file, JSON.stringify({ secret, headers, body: body.replace("canceled", "canceleD") }));
  if ((await run(command, "verify", file)).ok) throw new Error(`${name} takes a forged event for ours`);
  console.log(`${name}: created, read and canceled payment ${id}, verified its event, refused a forged one`);
}

const listen = `127.0.0.1:${await freePort()}`;
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("QUITTANCE_")));
const server = spawn(binary, ["--data-dir", folder, "--listen", listen], { stdio: "ignore", env: environment });
const ended = new Promise((resolve) => server.on("close", resolve));
try {
  const ready = () => fetch(`http://${listen}/health/ready`).then((answer) => answer.ok).catch(() => false);
  await until("the installation", async () => server.exitCode === null && (await ready()));
  const bootstrap = JSON.parse(readFileSync(join(folder, "bootstrap.json"), "utf8"));
  const secret = await subscribe(bootstrap);
  for (const one of commands) {
    const [name, command] = one.split(/=(.*)/s);
    await mainJob(name, command, secret);
  }
} finally {
  server.kill();
  await ended;
  receiver.close();
  rmSync(folder, { recursive: true, force: true });
}
