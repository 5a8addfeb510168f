// Octets, dates and texts as JSON: octets are {"hex": "..."} both ways, dates become ISO strings.
import { createInterface } from "node:readline";

export function revive(value) {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  const keys = Object.keys(value);
  if (keys.length === 1 && keys[0] === "hex") return Buffer.from(value.hex, "hex");
  return Object.fromEntries(keys.map((key) => [key, revive(value[key])]));
}

export function plain(value) {
  if (Buffer.isBuffer(value)) return { hex: value.toString("hex") };
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "no date" : value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).map((key) => [key, plain(value[key])]));
}

export function say(event, fields = {}) {
  process.stdout.write(JSON.stringify({ event, ...plain(fields) }) + "\n");
}

// Calls `act` for each line of standard input and says "done" after it; its end is the end of the program.
export function listen(act) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    act(revive(JSON.parse(line)));
    say("done");
  });
  lines.on("close", () => process.exit(0));
}
