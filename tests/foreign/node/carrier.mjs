// A carrier: takes binds, answers what comes, sends receipts, and delivers what it is told to.
// Standard output has a JSON line for all that happens, standard input takes commands:
//   {"do": "deliver", "fields": {...}, "text": "...", "scheme": "udh8", "ref": 7, "token": 1}   a text in its parts
//   {"do": "send", "command": "deliver_sm", "fields": {...}, "token": 1}                         one PDU as it is
//   {"do": "status", "status": 88}     command_status of the submits that follow
//   {"do": "unbind"} {"do": "drop"}
import smpp from "smpp";
import { listen, say } from "./json.mjs";
import { Joiner, parts } from "./messages.mjs";

const joiner = new Joiner();
let bound = null;
let nextId = 0;
let status = 0;

function date(now) {
  const two = (number) => String(number).padStart(2, "0");
  return (
    two(now.getUTCFullYear() % 100) + two(now.getUTCMonth() + 1) + two(now.getUTCDate()) +
    two(now.getUTCHours()) + two(now.getUTCMinutes())
  );
}

function receipt(session, pdu, id) {
  const now = date(new Date());
  session.deliver_sm({
    source_addr_ton: pdu.dest_addr_ton,
    source_addr_npi: pdu.dest_addr_npi,
    source_addr: pdu.destination_addr,
    dest_addr_ton: pdu.source_addr_ton,
    dest_addr_npi: pdu.source_addr_npi,
    destination_addr: pdu.source_addr,
    esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
    data_coding: 0,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:${now} done date:${now} stat:DELIVRD err:000 text:`,
    receipted_message_id: id,
    message_state: smpp.MESSAGE_STATE.DELIVERED,
  }, (answer) => say("receipt_answered", { id, status: answer.command_status }));
}

function bind(session, pdu) {
  bound = session;
  session.send(pdu.response({ system_id: "node" }));
}

function submit(session, pdu) {
  if (status) {
    session.send(pdu.response({ command_status: status }));
    return;
  }
  nextId += 1;
  const id = nextId.toString(16).padStart(8, "0");
  const message = joiner.take(pdu);
  session.send(pdu.response({ message_id: id }));
  if (message !== undefined) say("message", message);
  if (pdu.registered_delivery & 1) receipt(session, pdu, id);
}

const ANSWERS = {
  bind_transceiver: bind,
  bind_receiver: bind,
  bind_transmitter: bind,
  submit_sm: submit,
  data_sm: submit,
  submit_multi: (session, pdu) =>
    session.send(pdu.response({
      message_id: "multi",
      unsuccess_sme: pdu.dest_address
        .filter((to) => to.dl_name !== undefined || to.destination_addr.endsWith("0"))
        .map((to) => ({
          dest_addr_ton: to.dest_addr_ton,
          dest_addr_npi: to.dest_addr_npi,
          destination_addr: to.destination_addr ?? "",
          error_status_code: to.dl_name === undefined ? smpp.ESME_RINVDSTADR : smpp.ESME_RINVDLNAME,
        })),
    })),
  query_sm: (session, pdu) =>
    session.send(pdu.response({
      message_id: pdu.message_id, final_date: "261122011500000+", message_state: smpp.MESSAGE_STATE.DELIVERED,
      error_code: 0,
    })),
  cancel_sm: (session, pdu) => session.send(pdu.response()),
  replace_sm: (session, pdu) => session.send(pdu.response({ command_status: smpp.ESME_RREPLACEFAIL })),
  broadcast_sm: (session, pdu) => session.send(pdu.response({ message_id: "broadcast" })),
  query_broadcast_sm: (session, pdu) => session.send(pdu.response({ message_id: pdu.message_id })),
  cancel_broadcast_sm: (session, pdu) => session.send(pdu.response()),
  enquire_link: (session, pdu) => session.send(pdu.response()),
  unknown: (session, pdu) => session.send(pdu.response()),
  unbind: (session, pdu) => {
    session.send(pdu.response(), () => session.close());
  },
};

const server = smpp.createServer((session) => {
  session.on("pdu", (pdu) => {
    say(pdu.command, pdu);
    ANSWERS[pdu.command]?.(session, pdu);
  });
  session.on("error", (error) => say("error", { message: String(error) }));
  session.on("close", () => say("closed"));
});

server.listen(0, "127.0.0.1", () => say("listening", { port: server.address().port }));

listen((command) => {
  const { token } = command;
  const answered = (answer) =>
    say("answered", { token, command: answer.command, status: answer.command_status, answer });
  if (command.do === "status") status = command.status;
  else if (command.do === "unbind") bound.unbind(answered);
  else if (command.do === "drop") bound.destroy();
  else if (command.do === "send") bound[command.command](command.fields, answered);
  else if (command.do === "deliver") {
    for (const part of parts(command.text, command.scheme, command.ref)) {
      bound.deliver_sm({ ...command.fields, ...part }, answered);
    }
  } else throw new Error(`no such command: ${command.do}`);
});
