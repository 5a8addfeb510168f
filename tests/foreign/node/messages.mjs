// Texts to parts and parts to texts, with nothing of ours: split-sms cuts, the smpp package encodes and decodes.
import splitSms from "split-sms";

const CONCAT_8 = 0x00;
const CONCAT_16 = 0x08;

// The fields of one deliver_sm for each part of a text. scheme: udh8, udh16, sar or payload.
export function parts(text, scheme, ref) {
  const split = splitSms.split(text);
  const coding = split.characterSet === "GSM" ? 0x00 : 0x08;
  const contents = split.parts.map((part) => part.content);
  const total = contents.length;
  if (scheme === "payload") return [{ data_coding: coding, message_payload: text }];
  if (total === 1) return [{ data_coding: coding, short_message: text }];
  return contents.map((message, index) => {
    const seq = index + 1;
    if (scheme === "sar") {
      return {
        data_coding: coding,
        short_message: message,
        sar_msg_ref_num: ref,
        sar_total_segments: total,
        sar_segment_seqnum: seq,
      };
    }
    const udh =
      scheme === "udh8"
        ? Buffer.from([5, CONCAT_8, 3, ref & 0xff, total, seq])
        : Buffer.from([6, CONCAT_16, 4, (ref >> 8) & 0xff, ref & 0xff, total, seq]);
    return { data_coding: coding, esm_class: 0x40, short_message: { udh, message } };
  });
}

// Where a part belongs: how it was tied, reference, total and number.
function place(pdu, body) {
  for (const element of body.udh ?? []) {
    if (element[0] === CONCAT_8) return ["udh8", element[2], element[3], element[4]];
    if (element[0] === CONCAT_16) return ["udh16", element.readUInt16BE(2), element[4], element[5]];
  }
  if (pdu.sar_total_segments !== undefined) {
    return ["sar", pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum];
  }
  return [pdu.message_payload === undefined ? "single" : "payload", 0, 1, 1];
}

// Puts parts together. take() gives the message when its last part is there, else nothing.
export class Joiner {
  constructor() {
    this.waiting = new Map();
  }

  take(pdu) {
    const body = pdu.message_payload ?? pdu.short_message;
    const [scheme, ref, total, seq] = place(pdu, body);
    const key = [pdu.source_addr, pdu.destination_addr, scheme, ref, total].join(" ");
    const found = this.waiting.get(key) ?? new Map();
    found.set(seq, body.message);
    if (found.size < total) {
      this.waiting.set(key, found);
      return undefined;
    }
    this.waiting.delete(key);
    const pieces = Array.from({ length: total }, (_, index) => found.get(index + 1));
    const binary = pieces.some(Buffer.isBuffer);
    return {
      scheme,
      parts: total,
      source: pdu.source_addr,
      destination: pdu.destination_addr,
      data_coding: pdu.data_coding,
      text: binary ? null : pieces.join(""),
      data: binary ? Buffer.concat(pieces) : null,
    };
  }
}
