// An ESME: connects to PORT of this machine, sends what it is told to, answers what comes.
// Standard output has a JSON line for all that happens, standard input takes commands:
//   {"do": "send", "command": "submit_sm", "fields": {...}, "token": 1}
//   {"do": "status", "status": 100}    command_status of the deliver_sm_resp that follow
import smpp from "smpp";
import { listen, say } from "./json.mjs";
import { Joiner } from "./messages.mjs";

const joiner = new Joiner();
let status = 0;

const session = smpp.connect({ host: "127.0.0.1", port: Number(process.argv[2]) }, () => say("connected"));

session.on("pdu", (pdu) => {
  say(pdu.command, pdu);
  if (pdu.command === "deliver_sm" || pdu.command === "data_sm") {
    session.send(pdu.response(status ? { command_status: status } : {}));
    const receipt = (pdu.esm_class & 0x3c) === smpp.ESM_CLASS.MC_DELIVERY_RECEIPT;
    const message = receipt || status ? undefined : joiner.take(pdu);
    if (message !== undefined) say("message", message);
  } else if (pdu.command === "enquire_link" || pdu.command === "unbind") {
    session.send(pdu.response());
  }
});
session.on("error", (error) => say("error", { message: String(error) }));
session.on("close", () => say("closed"));

listen((command) => {
  const { token } = command;
  if (command.do === "status") status = command.status;
  else if (command.do === "send") {
    session[command.command](command.fields, (answer) =>
      say("answered", { token, command: answer.command, status: answer.command_status, answer }),
    );
  } else throw new Error(`no such command: ${command.do}`);
});
