// PDUs that npm smpp generates, as hexadecimal: {name: [command, options]} from standard input, {name: octets} to
// standard output.
import { readFileSync } from "node:fs";
import smpp from "smpp";
import { revive } from "./json.mjs";

const given = revive(JSON.parse(readFileSync(0, "utf8")));
const generated = Object.entries(given).map(([name, [command, options]]) => [
  name,
  new smpp.PDU(command, options).toBuffer().toString("hex"),
]);
process.stdout.write(JSON.stringify(Object.fromEntries(generated)));
