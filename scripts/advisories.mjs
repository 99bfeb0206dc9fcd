// Fails when a crate of Cargo.lock comes under an advisory of scripts/advisories.tsv that is not accepted below, when what
// is accepted is not there any more, or when it was to be looked at again by now. Needs no network: the list is committed,
// and `scripts/advisories.mjs --update FOLDER` writes it anew from a checkout of the advisory database.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

/** What stays although there is an advisory: why, and until when that holds without another look. */
const accepted = {
  "RUSTSEC-2024-0384": { until: "2027-05-31", reason: "instant is unmaintained, and backoff's clock on this platform's own" },
  "RUSTSEC-2024-0388": { until: "2027-05-31", reason: "derivative is unmaintained; it is in the lock file for a feature that is not compiled" },
  "RUSTSEC-2024-0436": { until: "2027-05-31", reason: "paste is unmaintained; it writes code at compile time only" },
  "RUSTSEC-2025-0012": { until: "2027-05-31", reason: "backoff is unmaintained; it stands behind one module, without I/O" },
  "RUSTSEC-2026-0194": {
    until: "2027-05-31",
    reason: "quick-xml 0.36 comes with poem, for XML bodies: no operation takes any. Pictures go through our own 0.41",
  },
  "RUSTSEC-2026-0195": { until: "2027-05-31", reason: "as RUSTSEC-2026-0194" },
};

const list = new URL("advisories.tsv", import.meta.url);
const lock = readFileSync(new URL("../Cargo.lock", import.meta.url), "utf8");
const crates = [...lock.matchAll(/^name = "(.+)"\nversion = "(.+)"\nsource/gm)].map(([, name, version]) => ({ name, version }));

/** A version as numbers that can be compared; what comes before a release counts as less than it. */
function parsed(version) {
  const [core, before] = version.split("+")[0].split(/-(.*)/s);
  const numbers = core.split(".").map(Number);
  return { numbers: [0, 1, 2].map((at) => numbers[at] ?? 0), given: numbers.length, before: before ?? "" };
}

function compared(a, b) {
  for (const at of [0, 1, 2]) if (a.numbers[at] !== b.numbers[at]) return a.numbers[at] - b.numbers[at];
  if (a.before === b.before) return 0;
  if (a.before === "") return 1;
  if (b.before === "") return -1;
  return a.before.localeCompare(b.before, "en", { numeric: true });
}

/** The first version that `^1.2.3` (or the bare `1.2.3`) does not allow any more. */
function next({ numbers, given }) {
  let at = numbers.findIndex((number) => number > 0);
  if (at < 0 || at >= given) at = given - 1;
  return { numbers: numbers.map((number, place) => (place < at ? number : place === at ? number + 1 : 0)), before: "" };
}

/** Whether a version lies in a range such as `>=1.2.3, <2`, `^0.4.1` or `=1.0.0`. */
function within(version, range) {
  return range.split(",").every((part) => {
    const [, sign, text] = part.trim().match(/^(>=|<=|>|<|=|\^|~)?\s*(\S+)$/) ?? [];
    if (text === undefined) throw new Error(`no range: ${range}`);
    const bound = parsed(text);
    const order = compared(version, bound);
    switch (sign) {
      case ">=": return order >= 0;
      case "<=": return order <= 0;
      case ">": return order > 0;
      case "<": return order < 0;
      case "=": return order === 0;
      case "~": return order >= 0 && version.numbers[0] === bound.numbers[0] && version.numbers[1] === bound.numbers[1];
      default: return order >= 0 && compared(version, next(bound)) < 0;
    }
  });
}

if (process.argv[2] === "--update") update(process.argv[3]);
else check();

function check() {
  const rows = readFileSync(list, "utf8").split("\n").filter((line) => line && !line.startsWith("#"));
  const today = new Date().toISOString().slice(0, 10);
  const found = new Set();
  const wrong = [];
  for (const row of rows) {
    const [crate, id, date, kind, free, title] = row.split("\t");
    const ranges = free === "none" ? [] : free.split(" | ");
    for (const { name, version } of crates) {
      if (name !== crate || ranges.some((range) => within(parsed(version), range))) continue;
      found.add(id);
      if (!accepted[id]) wrong.push(`${name} ${version}: ${id} (${kind}, ${date}): ${title}; free of it: ${free}`);
    }
  }
  for (const [id, { until }] of Object.entries(accepted)) {
    if (!found.has(id)) wrong.push(`${id} is accepted in scripts/advisories.mjs and met no more: take it out`);
    if (until < today) wrong.push(`${id} was accepted until ${until}: look at it again`);
  }
  wrong.forEach((sentence) => console.error(sentence));
  console.log(`${crates.length} crates, ${rows.length} advisories on them, ${found.size} met, ${wrong.length} not accepted`);
  process.exit(wrong.length ? 1 : 0);
}

/** Writes the list anew from a checkout of https://github.com/rustsec/advisory-db. */
function update(folder) {
  const [commit, date] = execFileSync("git", ["-C", folder, "log", "-1", "--format=%H %cs"], { encoding: "utf8" }).trim().split(" ");
  const names = [...new Set(crates.map(({ name }) => name))].sort();
  const kept = new Set(readdirSync(`${folder}/crates`));
  const rows = names.filter((name) => kept.has(name)).flatMap((name) => {
    const texts = readdirSync(`${folder}/crates/${name}`).sort().map((file) => readFileSync(`${folder}/crates/${name}/${file}`, "utf8"));
    return texts.filter((text) => !/^withdrawn\s*=/m.test(text)).map((text) => row(name, text));
  });
  const head = readFileSync(list, "utf8").split("\n").filter((line) => line.startsWith("#")).join("\n");
  const dated = head.replace(/as of \S+, commit \w+/, `as of ${date}, commit ${commit}`);
  writeFileSync(list, `${dated}\n${rows.join("\n")}\n`);
}

function row(name, text) {
  const value = (key) => text.match(new RegExp(`^${key}\\s*=\\s*"(.*)"`, "m"))?.[1];
  const versions = (key) => [...(text.match(new RegExp(`^${key}\\s*=\\s*\\[([^\\]]*)\\]`, "m"))?.[1] ?? "").matchAll(/"([^"]*)"/g)];
  const free = [...versions("patched"), ...versions("unaffected")].map(([, range]) => range).join(" | ") || "none";
  const title = text.split(/^```$/m)[1]?.match(/^# (.*)$/m)?.[1] ?? "";
  return [name, value("id"), value("date"), value("informational") ?? "vulnerability", free, title].join("\t");
}
