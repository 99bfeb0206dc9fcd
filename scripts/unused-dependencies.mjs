// Finds dependencies that a Cargo.toml names and no source of its crate mentions:
//   node scripts/unused-dependencies.mjs
// A name counts as used where Rust could mean the crate by it (`name::`, `use name`, `#[name`, `name!`) or a feature does.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

const metadata = JSON.parse(execFileSync("cargo", ["metadata", "--locked", "--no-deps", "--format-version=1"]));

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "target" || entry.name === "node_modules" ? [] : sources(path);
    return path.endsWith(".rs") ? [readFileSync(path, "utf8")] : [];
  });
}

const unused = metadata.packages.flatMap(({ name, manifest_path, dependencies, features }) => {
  const text = sources(dirname(manifest_path)).join("\n").replace(/^\s*\/\/.*$/gm, "");
  const named = Object.values(features).flat();
  return dependencies.flatMap((dependency) => {
    const called = dependency.rename ?? dependency.name;
    const crate = called.replaceAll("-", "_");
    const meant = new RegExp(`(?<![\\w.])${crate}\\s*::|\\buse ${crate}\\b|#!?\\[${crate}\\b|(?<![\\w.])${crate}!|extern crate ${crate}\\b`);
    const used = meant.test(text) || named.some((feature) => feature.replace(/^dep:/, "").split(/[/?]/)[0] === called);
    return used ? [] : [`${name}: ${called}`];
  });
});

for (const one of unused) console.error(`not used: ${one}`);
process.exit(unused.length ? 1 : 0);
