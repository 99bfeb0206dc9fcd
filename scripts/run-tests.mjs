// Runs test binaries side by side, the slowest first, and shows each one's output when it has ended:
//   node scripts/run-tests.mjs LIST [ARGUMENT…]
// LIST has what `cargo test --no-run --message-format=json` prints. Most tests wait for servers and clocks, so that two
// binaries at once take little more than half the time of one after the other. Closes with the totals, and fails when a test
// failed, a binary ended otherwise, or none ran.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { availableParallelism } from "node:os";

const [list, ...rest] = process.argv.slice(2);
const sideBySide = Number(process.env.QUITTANCE_TEST_BINARIES ?? Math.max(2, Math.min(4, availableParallelism())));

/** Test binaries that take minutes; the others follow in any order. */
const slow = ["quittance", "worker", "chain", "api", "payments", "queue", "gateways", "webhooks"];

const binaries = readFileSync(list, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("{"))
  .map((line) => JSON.parse(line))
  .filter((message) => message.reason === "compiler-artifact" && message.profile.test && message.executable)
  .map(({ executable, manifest_path, target }) => {
    const folder = dirname(manifest_path);
    const crate = folder.split("/").pop();
    const rank = target.kind.includes("test") ? slow.indexOf(crate) : -1;
    return { executable, folder, name: `${crate} (${target.kind[0]} ${target.name})`, rank: rank < 0 ? slow.length : rank };
  })
  .sort((one, other) => one.rank - other.rank);

/** Runs one binary as Cargo would, in its crate's folder. */
function run({ executable, folder, name }) {
  const started = Date.now();
  return new Promise((resolve) => {
    const child = spawn(executable, rest, { cwd: folder, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, CARGO_MANIFEST_DIR: folder } });
    const output = [];
    child.stdout.on("data", (bytes) => output.push(bytes));
    child.stderr.on("data", (bytes) => output.push(bytes));
    child.on("error", (error) => output.push(Buffer.from(`${error}\n`)));
    child.on("close", (status, signal) => {
      const text = Buffer.concat(output).toString();
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      console.log(`\n== ${name}, ${seconds} s\n${text}`);
      if (status !== 0) console.log(`${name} ended with ${signal ?? `status ${status}`}`);
      resolve({ text, ended: status === 0 });
    });
  });
}

const totals = { passed: 0, failed: 0, ignored: 0, filtered: 0, broken: 0 };
const closing = /^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored; \d+ measured; (\d+) filtered out/gm;

async function worker() {
  for (let next = binaries.shift(); next; next = binaries.shift()) {
    const { text, ended } = await run(next);
    let failed = 0;
    for (const [, passes, failures, ignored, filtered] of text.matchAll(closing)) {
      totals.passed += Number(passes);
      failed += Number(failures);
      totals.ignored += Number(ignored);
      totals.filtered += Number(filtered);
    }
    totals.failed += failed;
    // Killed, or ended before its tests: nothing that was counted says so.
    if (!ended && failed === 0) totals.broken += 1;
  }
}

await Promise.all(Array.from({ length: sideBySide }, worker));

// With a filter, what it leaves out is not missing.
const skipped = totals.ignored + (rest.length ? 0 : totals.filtered);
if (totals.broken) console.log(`${totals.broken} test binaries ended before or beside their tests, see above`);
if (!totals.passed) console.log("no test ran");
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${skipped} skipped`);
process.exit(totals.failed || totals.broken || skipped || !totals.passed ? 1 : 0);
