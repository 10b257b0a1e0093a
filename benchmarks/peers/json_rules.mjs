// The process of json_rules.py: first a line with all rules, then a line for each basket; each is answered with a line.
// node json_rules.mjs PACKAGE.json

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const load = createRequire(process.argv[2]);
const { Engine } = load("json-rules-engine");
const version = load(process.argv[2]).dependencies["json-rules-engine"];

let engine = null;
for await (const line of createInterface({ input: process.stdin })) {
  if (engine === null) {
    engine = new Engine(JSON.parse(line));
    console.log(JSON.stringify({ engine: version, node: process.versions.node }));
    continue;
  }
  const facts = JSON.parse(line);
  const begin = process.hrtime.bigint();
  const { events } = await engine.run(facts);
  const nanoseconds = Number(process.hrtime.bigint() - begin);
  console.log(JSON.stringify({ promotions: events.map((event) => event.params.promotion), nanoseconds }));
}
