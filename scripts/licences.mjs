// Fails when a crate that is linked into the product comes under a licence that is not in this list.
import { execFileSync } from "node:child_process";

const allowed = new Set([
  "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "MPL-2.0",
  "Unicode-3.0", "Zlib",
]);

const options = "tree --workspace --locked --edges no-dev --prefix none --format".split(" ");
const tree = execFileSync("cargo", [...options, "{p}|{l}"], { encoding: "utf8", maxBuffer: 1 << 26 });
const crates = new Map(tree.split("\n").filter(Boolean).map((line) => line.replace(/ \(\*\)$/, "").split("|")));

/** Whether an SPDX expression can be met with allowed licences only. `/` is the old way to write OR. */
function acceptable(expression) {
  const [first, ...alternatives] = split(expression.replaceAll("/", " OR "), " OR ");
  if (alternatives.length) return [first, ...alternatives].some(acceptable);
  const parts = split(first, " AND ");
  if (parts.length > 1) return parts.every(acceptable);
  const inner = first.match(/^\((.*)\)$/)?.[1];
  return inner === undefined ? allowed.has(first) : acceptable(inner);
}

/** Splits at a word outside of parentheses. */
function split(expression, word) {
  const parts = [""];
  let depth = 0;
  for (let at = 0; at < expression.length; at += 1) {
    if (depth === 0 && expression.startsWith(word, at)) {
      parts.push("");
      at += word.length - 1;
      continue;
    }
    depth += { "(": 1, ")": -1 }[expression[at]] ?? 0;
    parts[parts.length - 1] += expression[at];
  }
  return parts.map((part) => part.trim());
}

const refused = [...crates].filter(([, licence]) => !acceptable(licence));
for (const [crate, licence] of refused) console.error(`${crate} comes under ${licence || "no licence"}`);
console.log(`${crates.size} crates, ${refused.length} under a licence that is not allowed`);
process.exit(refused.length ? 1 : 0);
