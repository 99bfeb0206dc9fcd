// Counts the house: what a crate holds, how it is tested, how its files know each other, and how large commits are.
//   node scripts/counts.mjs [COMMIT]          every crate as of a commit (default: the files as they lie here)
//   node scripts/counts.mjs [COMMIT] --circle CRATE    the files of its largest circle of imports
//   node scripts/counts.mjs --circle-max N             fails where a crate has a larger one
//   node scripts/counts.mjs --commits A..B    how many lines commits edit; moved lines and generated files do not count
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const git = (...args) => execFileSync("git", args, { encoding: "utf8", maxBuffer: 1 << 28 });
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

const args = process.argv.slice(2);
const option = (name) => {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args.splice(at, 2)[1];
};
const [range, circle, circleMax] = [option("--commits"), option("--circle"), option("--circle-max")];
if (range) countCommits(range);
else countCrates(args[0]);

function countCommits(range) {
  const generated = [":!openapi", ":!*.lock", ":!*.snap", ":!contracts/artifacts", ":!contracts/tests/artifacts", ":!*lock.json"];
  const sizes = [];
  for (const commit of git("rev-list", "--no-merges", range).split("\n").filter(Boolean)) {
    const lines = git("show", "--format=", "--no-color", "-M", "-C", commit, "--", ".", ...generated).split("\n");
    const cut = (sign) => lines.filter((line) => line[0] === sign && !line.startsWith(sign.repeat(3))).map((line) => line.slice(1).trim());
    const [added, removed] = [cut("+"), new Map()];
    for (const line of cut("-")) removed.set(line, (removed.get(line) ?? 0) + 1);
    let edits = 0;
    for (const line of added) {
      const moved = removed.get(line) ?? 0;
      if (moved) removed.set(line, moved - 1);
      else edits += 1;
    }
    for (const left of removed.values()) edits += left;
    sizes.push([edits, git("log", "-1", "--format=%h %s", commit).trim()]);
  }
  const edits = sizes.map(([edits]) => edits);
  console.log(`${sizes.length} commits, median ${median(edits)} lines, over 300: ${edits.filter((n) => n > 300).length}`);
  for (const [edits, subject] of sizes.toSorted((a, b) => b[0] - a[0]).slice(0, 3)) console.log(`${String(edits).padStart(6)}  ${subject}`);
}

function countCrates(commit) {
  const listed = commit ? git("ls-tree", "-r", "--name-only", commit) : git("ls-files", "-co", "--exclude-standard");
  const files = listed.split("\n").filter((path) => /^[a-z]+\/(src|tests)\/.*\.rs$/.test(path) && (commit || existsSync(path)));
  const crates = new Map();
  for (const path of files) {
    const crate = path.split("/")[0];
    if (!crates.has(crate)) crates.set(crate, []);
    crates.get(crate).push(read(commit, path));
  }
  if (circle) return console.log(largestCircle(crates.get(circle)).join("\n"));
  if (circleMax) return boundCircles(crates, Number(circleMax));
  console.log("crate          code  tests  tests/code  longest file  functions > 70  largest circle");
  const total = { code: 0, tests: 0 };
  for (const [crate, sources] of crates) {
    const code = sum(sources.map((source) => source.code.length));
    const tests = sum(sources.map((source) => source.tests));
    total.code += code;
    total.tests += tests;
    const longest = Math.max(...sources.map((source) => source.lines));
    const long = sum(sources.map((source) => longFunctions(source.code)));
    const row = [code, tests, (tests / code).toFixed(2), longest, long, largestCircle(sources).length];
    console.log(crate.padEnd(12) + row.map((cell, index) => String(cell).padStart([7, 7, 12, 14, 16, 16][index])).join(""));
  }
  console.log(`all         ${String(total.code).padStart(7)}${String(total.tests).padStart(7)}${(total.tests / total.code).toFixed(2).padStart(12)}`);
}

function boundCircles(crates, max) {
  for (const [crate, sources] of crates) {
    const files = largestCircle(sources);
    if (files.length <= max) continue;
    process.exitCode = 1;
    console.error(`${crate}: ${files.length} files import each other in a circle, ${max} may:\n  ${files.join("\n  ")}`);
  }
}

function read(commit, path) {
  const lines = (commit ? git("show", `${commit}:${path}`) : readFileSync(path, "utf8")).split("\n");
  const isTest = /\/tests\/|\/tests\.rs$/.test(path);
  const inline = isTest ? 0 : lines.findIndex((line, at) => line === "#[cfg(test)]" && /^mod \w+ \{/.test(lines[at + 1] ?? ""));
  const code = inline < 0 ? lines : lines.slice(0, inline);
  return { path, code, lines: lines.length, tests: lines.length - code.length };
}

/** Functions from `fn` to the brace in the same column, longer than seventy lines between the braces. */
function longFunctions(code) {
  let long = 0;
  code.forEach((line, start) => {
    const indent = /^(\s*)(pub(\([^)]*\))? )?(const )?(async )?fn /.exec(line)?.[1];
    if (indent === undefined || line.trimEnd().endsWith(";")) return;
    const length = code.slice(start).findIndex((end) => end === `${indent}}`);
    if (length - 1 > 70) long += 1;
  });
  return long;
}

/** The largest set of files of one crate in which each can be reached from each by what they import. */
function largestCircle(sources) {
  const modules = new Map();
  for (const { path, code } of sources) {
    const name = /^[a-z]+\/src\/(.*)\.rs$/.exec(path)?.[1];
    const text = code.filter((line) => !/^\s*\/\//.test(line)).join("\n");
    if (name && text) modules.set(name === "lib" || name === "main" ? "" : name.replaceAll("/", "::"), text);
  }
  const handedOn = new Map([...modules].map(([name, text]) => [name, reexports(name, text, modules)]));
  const edges = new Map([...modules].map(([name, text]) => [name, imports(name, text, modules, handedOn)]));
  // Tarjan: files of one circle come off the stack together.
  const [index, low, stack, found] = [new Map(), new Map(), [], []];
  const visit = (name) => {
    index.set(name, index.size);
    low.set(name, index.get(name));
    stack.push(name);
    for (const next of edges.get(name)) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(name, Math.min(low.get(name), low.get(next)));
    }
    if (low.get(name) === index.get(name)) found.push(stack.splice(stack.indexOf(name)));
  };
  for (const name of edges.keys()) if (!index.has(name)) visit(name);
  return found.toSorted((a, b) => b.length - a.length).find((circle) => circle.length > 1) ?? [];
}

/** What a file imports, which modules below it may name as its own, as name → where that is defined. */
function reexports(name, text, modules) {
  const offered = new Map();
  for (const [, path] of text.matchAll(/^(?:pub(?:\([^)]*\))? )?use ([^;]+);/gm)) {
    for (const item of items(path.replaceAll(/\s+/g, ""))) {
      offered.set(item.split("::").at(-1), absolute(name, item, modules));
    }
  }
  return offered;
}

/** The modules that a file uses, each the file that defines what is named; `mod` and `pub use` alone are no use. */
function imports(name, text, modules, handedOn) {
  const known = new Set();
  const used = text.replaceAll(/^pub(?:\([^)]*\))? use [^;]+;/gm, "");
  for (const [path] of used.matchAll(/\b[a-z]\w*(::\w+)+(::\{(?:[^{}]|\{[^{}]*\})*\})?|\bcrate::\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}/g)) {
    for (const item of items(path.replaceAll(/\s+/g, ""))) {
      const target = defined(absolute(name, item, modules), modules, handedOn);
      if (target !== undefined && target !== name) known.add(target);
    }
  }
  return known;
}

/** `a::{b, c::{d}}` as `a::b`, `a::c::d`. */
function items(path) {
  const at = path.indexOf("::{");
  if (at < 0) return [path];
  const parts = [""];
  let depth = 0;
  for (const letter of path.slice(at + 3, -1)) {
    depth += letter === "{" ? 1 : letter === "}" ? -1 : 0;
    if (letter === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts.filter(Boolean).flatMap((part) => items(part).map((item) => `${path.slice(0, at)}::${item}`));
}

/** A path from the crate's root, or undefined when it leads out of the crate. */
function absolute(name, path, modules) {
  const [first, ...rest] = path.split("::");
  const above = name.split("::").slice(0, -1).join("::");
  const below = [name, first].filter(Boolean).join("::");
  const root = { crate: "", self: name, super: above }[first] ?? (modules.has(below) ? below : undefined);
  return root === undefined ? undefined : [root, ...rest].filter(Boolean).join("::");
}

/** The file behind a path: the longest part that is a file, and from there on what that file offers from others. */
function defined(path, modules, handedOn, steps = 0) {
  if (path === undefined) return undefined;
  const parts = path.split("::");
  let length = parts.length;
  while (length && !modules.has(parts.slice(0, length).join("::"))) length -= 1;
  const file = parts.slice(0, length).join("::");
  const further = handedOn.get(file)?.get(parts[length]);
  if (further !== undefined && steps < 8) return defined([further, ...parts.slice(length + 1)].join("::"), modules, handedOn, steps + 1);
  return modules.has(file) ? file : undefined;
}

function sum(numbers) {
  return numbers.reduce((all, number) => all + number, 0);
}
