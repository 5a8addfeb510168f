// PDUs by the smpp package. Standard input has a JSON array of {"read": "hex"} and {"build": command, "fields": {...}},
// standard output one of {"fields": {...}}, {"hex": "..."} or {"error": "..."} for each.
import { readFileSync } from "node:fs";
import smpp from "smpp";
import { plain, revive } from "./json.mjs";

const answers = JSON.parse(readFileSync(0, "utf8")).map((asked) => {
  try {
    if (asked.read !== undefined) return { fields: plain({ ...new smpp.PDU(Buffer.from(asked.read, "hex")) }) };
    return { hex: new smpp.PDU(asked.build, revive(asked.fields)).toBuffer().toString("hex") };
  } catch (error) {
    return { error: String(error) };
  }
});
process.stdout.write(JSON.stringify(answers));
