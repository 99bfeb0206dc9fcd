// Compiles the contracts; the output is committed, so that building Quittance needs no Node.js.
//   npm ci --ignore-scripts && node build.mjs            writes artifacts/ and tests/artifacts/
//   npm ci --ignore-scripts && node build.mjs --check    compares with them instead, and fails on any difference
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const root = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const read = (path) => readFileSync(join(root, path), "utf8");

const folders = ["solidity", "tests/solidity"];
const files = folders.flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`));
const input = {
  language: "Solidity",
  sources: Object.fromEntries(files.map((file) => [file, { content: read(file) }])),
  settings: {
    // Cancun has transient storage, and is the oldest rule set of the chains we deploy to.
    evmVersion: "cancun",
    optimizer: { enabled: true, runs: 1000 },
    viaIR: true,
    // No hash of the sources in the bytecode: a changed comment must not change it.
    metadata: { appendCBOR: false, bytecodeHash: "none" },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const importFile = (path) => ({ contents: readFileSync(require.resolve(path), "utf8") });
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: importFile }));
// 2394 advises to clear transient storage at the end of a call, which OpenZeppelin's guard does. 3628 wants a function that
// takes bare coin, which the diamond refuses. 5667 minds arguments that are read where they stand; their names are the ABI's.
const expected = ["2394", "3628", "5667"];
const errors = (output.errors ?? []).filter((error) => !expected.includes(error.errorCode));
for (const error of errors) console.error(error.formattedMessage);
if (errors.length) process.exit(1);

const find = (name) => Object.values(output.contracts).find((contracts) => name in contracts)[name];

/** One entry for each function, event and error, in an order that does not depend on the compiler's. */
function merged(names) {
  const key = (entry) => `${entry.type} ${entry.name ?? ""} ${JSON.stringify(entry.inputs ?? [])}`;
  const entries = new Map(names.flatMap((name) => find(name).abi).map((entry) => [key(entry), entry]));
  return [...entries.keys()].sort().map((name) => entries.get(name));
}

const facets = ["DiamondCutFacet", "DiamondLoupeFacet", "OwnershipFacet"];
const wanted = {
  // A token's own errors reach the caller through the diamond: they belong to what it may answer.
  Diamond: { folder: "artifacts", abi: merged(["Diamond", ...facets, "IERC20Errors"]) },
  TestToken: { folder: "artifacts", abi: merged(["TestToken"]) },
};
for (const file of files.filter((file) => file.startsWith("tests/"))) {
  for (const name of Object.keys(output.contracts[file])) {
    wanted[name] = { folder: "tests/artifacts", abi: merged([name]) };
  }
}

let different = 0;
for (const [name, { folder, abi }] of Object.entries(wanted)) {
  const made = { "abi.json": JSON.stringify(abi, null, 2) + "\n", bin: find(name).evm.bytecode.object };
  for (const [extension, content] of Object.entries(made)) {
    const path = `${folder}/${name}.${extension}`;
    if (!process.argv.includes("--check")) {
      mkdirSync(join(root, folder), { recursive: true });
      writeFileSync(join(root, path), content);
    } else if (content !== readOrNothing(path)) {
      different += 1;
      console.error(`contracts/${path} is not what the sources compile to; run \`node build.mjs\` and commit it`);
    }
  }
}
console.log(`solc ${solc.version()}: ${Object.keys(wanted).length} contracts, ${different} files differ`);
process.exit(different ? 1 : 0);

function readOrNothing(path) {
  try {
    return read(path);
  } catch {
    return undefined;
  }
}
