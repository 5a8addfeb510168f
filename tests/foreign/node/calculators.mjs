// Two segment calculators over a JSON array of texts from standard input; an array of what they say to standard
// output, in the same order.
import { readFileSync } from "node:fs";
import splitSms from "split-sms";
import calculator from "sms-segments-calculator";

const texts = JSON.parse(readFileSync(0, "utf8"));
const counted = texts.map((text) => {
  const split = splitSms.split(text);
  const segmented = new calculator.SegmentedMessage(text);
  return {
    "split-sms": {
      encoding: split.characterSet === "GSM" ? "gsm7" : "ucs2",
      parts: split.parts.length,
      left: split.remainingInPart,
    },
    "sms-segments-calculator": {
      encoding: segmented.encodingName === "GSM-7" ? "gsm7" : "ucs2",
      parts: segmented.segmentsCount,
      left: Math.floor(segmented.segments.at(-1).freeSizeInBits() / (segmented.encodingName === "GSM-7" ? 7 : 16)),
    },
    // What it takes for one character, which it does not divide: their lengths in UTF-16 units.
    graphemes: segmented.graphemes.map((grapheme) => grapheme.length),
  };
});
process.stdout.write(JSON.stringify(counted));
