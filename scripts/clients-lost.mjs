// What a generated client lacks of the document that it was generated from:
//   node scripts/clients-lost.mjs DOCUMENT GENERATOR FOLDER
// Every operation must be a function, and every schema with fields or words of its own a type. Generators change names to
// their language's case, so that names are compared without it.
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";

const [file, generator, folder] = process.argv.slice(2);
const document = JSON.parse(readFileSync(file, "utf8"));

const plain = (name) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");

const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !(entry.parentPath ?? entry.path).includes("node_modules"))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
const inFolder = (name) => files.filter((path) => path.split("/").slice(0, -1).includes(name));

/** How each generator lays its functions and types. */
const layouts = {
  "openapi-python-client": {
    functions: () => inFolder("api").map((path) => basename(path, ".py")),
    types: () => inFolder("models").map((path) => basename(path, ".py")),
  },
  python: {
    functions: () => found("api", /^    def (\w+)\(/gm),
    types: () => inFolder("models").map((path) => basename(path, ".py")),
  },
  "typescript-fetch": {
    functions: () => found("apis", /^    async (\w+)\(/gm),
    types: () => inFolder("models").map((path) => basename(path, ".ts")),
  },
  java: {
    functions: () => found("api", /^  public \S+ (\w+)\(/gm),
    types: () => inFolder("model").map((path) => basename(path, ".java")),
  },
  rust: {
    functions: () => found("apis", /^pub async fn (\w+)\(/gm),
    types: () => inFolder("models").map((path) => basename(path, ".rs")),
  },
};

function found(name, expression) {
  return inFolder(name).flatMap((path) => [...readFileSync(path, "utf8").matchAll(expression)].map(([, found]) => found));
}

const layout = layouts[generator];
if (!layout) throw new Error(`nothing is known of how ${generator} lays its files`);

const operations = Object.values(document.paths).flatMap((item) => Object.values(item).map((one) => one.operationId));
const schemas = Object.entries(document.components.schemas)
  .filter(([, schema]) => schema.properties || (schema.type === "string" && schema.enum))
  .map(([name]) => name);

function lost(wanted, there) {
  const known = new Set(there.map(plain));
  return wanted.filter((name) => !known.has(plain(name)));
}

const missing = [...lost(operations, layout.functions()), ...lost(schemas, layout.types())];
console.log(`${generator}: ${operations.length} operations, ${schemas.length} types of ${basename(file)}, ${missing.length} lost`);
if (missing.length) {
  console.error(`lost by ${generator}: ${missing.join(", ")}`);
  process.exit(1);
}
