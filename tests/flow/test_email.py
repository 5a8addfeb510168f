"""The e-mail handler against a mail server on loopback: what people get, and every way in which it can go wrong."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trustme

from gateway import log
from gateway.handlers import email as module
from gateway.handlers.email import Email
from gateway.handlers.smtp import ANSWER_OCTETS, Line
from gateway.settings import Handler, Log, Smtp
from gateway.store.inbound import Arrival, InboundOp
from tests.support.events import NUMBER, PEER, Events
from tests.support.smtpd import Smtpd, cut, cut_within_data, endless, hang

DESK = "desk@office.example"
STRANGER = "+4915199999999"
SENDER = "sms@gateway.example"
PASSWORD = "marked-password"


@pytest.fixture
async def smtpd() -> AsyncIterator[Smtpd]:
    with Smtpd().running() as server:
        yield server


@pytest.fixture
async def events(nursery: trio.Nursery) -> Events:
    return await Events().start(nursery)


def by_mail(*addresses: str, **values: object) -> Handler:
    """A handler that tries again at once."""
    return Handler(**{"name": "crm", "email": addresses or (DESK,), "retry_min": 0.1, "retry_max": 1, **values})


def by(smtpd: Smtpd, **values: object) -> Smtp:
    return Smtp(**{"host": "127.0.0.1", "port": smtpd.port, "tls": "none", "sender": SENDER, "timeout": 10, **values})


async def serve(nursery, events: Events, smtp: Smtp, handler: Handler | None = None) -> Email:
    handler = handler or by_mail()
    feed = await events.feed(handler.name)
    made = Email(handler, smtp, feed, events.outbox, events.metrics, events.clock)
    await nursery.start(made.run)
    return made


async def done(events: Events, email: Email) -> None:
    """Waits until everything is delivered or set aside."""
    await events.until(lambda: not email.feed.backlog and not email.waiting)


# --- what people get --------------------------------------------------------------------------------------------------


async def test_a_message_is_a_mail(nursery, smtpd, events):
    email = await serve(nursery, events, by(smtpd), by_mail(DESK, "boss@office.example"))
    await events.arrive("Hi there 👋 ünï\n.\n.dots <script>alert(1)</script>\nlast")
    await done(events, email)
    (mail,) = smtpd.mails
    assert (mail.sender, mail.recipients) == (SENDER, [DESK, "boss@office.example"])
    message = mail.message
    assert message["From"] == f'"{PEER} (SMS)" <{SENDER}>'
    assert message["To"] == f"{DESK}, boss@office.example"
    assert message["Subject"] == f"SMS from {PEER} to {NUMBER}"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Smsgw-Event-Id"] == f"{email.feed.info.id}-1"
    assert message.get_content_type() == "text/plain"  # no mail program reads it as HTML
    assert not message.defects
    text, below = mail.text.split("\n\n-- \n")
    assert text == "Hi there 👋 ünï\n.\n.dots <script>alert(1)</script>\nlast"
    assert below.splitlines()[0].startswith(f"From {PEER} to {NUMBER}, 20")
    assert max(map(len, mail.octets.split(b"\r\n"))) <= 998
    assert mail.octets.isascii()
    assert b"\n" not in mail.octets.replace(b"\r\n", b"")
    assert events.stored_cursor(email.feed) == (1, [])
    assert events.count("smsgw_handler_deliveries_total", handler="crm") == 1
    assert events.count("smsgw_handler_failures_total", handler="crm") == 0


async def test_four_messages_of_a_thread_are_one_conversation_and_others_are_others(nursery, smtpd, events):
    """By the rule of mail programs (the JWZ algorithm): mails are together that refer to the same mail."""
    email = await serve(nursery, events, by(smtpd))
    for text in ("one", "two", "three", "four"):
        await events.arrive(text)
    await events.arrive("somebody else", peer=STRANGER)
    await done(events, email)
    messages = [mail.message for mail in smtpd.mails]
    ids = [message["Message-ID"] for message in messages]
    assert len(set(ids)) == 5
    conversations: dict[str, list[str]] = {}
    for mail, message in zip(smtpd.mails, messages, strict=True):
        (root,) = message["References"].split()
        assert message["In-Reply-To"] == root
        assert root.startswith("<")
        assert root.endswith("@gateway.example>")
        assert root not in ids
        conversations.setdefault(root, []).append(mail.text.split("\n")[0])
    assert list(conversations.values()) == [["one", "two", "three", "four"], ["somebody else"]]
    assert len({message["Subject"] for message in messages[:4]}) == 1
    assert [message["Date"].datetime for message in messages] == sorted(m["Date"].datetime for m in messages)


async def test_one_connection_serves_a_burst_in_order_and_is_closed_when_nobody_needs_it(
    nursery, smtpd, events, monkeypatch
):
    monkeypatch.setattr(module, "KEPT", 0.3)
    email = await serve(nursery, events, by(smtpd))
    await events.arrive(*(str(n) for n in range(50)))
    await done(events, email)
    assert [mail.text.split("\n")[0] for mail in smtpd.mails] == [str(n) for n in range(50)]
    assert smtpd.connections == 1
    await smtpd.until(lambda: smtpd.open == 0)
    assert smtpd.steps[-1] == "QUIT"
    await events.arrive("later")
    await done(events, email)
    assert (len(smtpd.mails), smtpd.connections) == (51, 2)


async def test_several_connections_where_they_are_asked_for(nursery, smtpd, events):
    smtpd.answers["END"] = [hang]
    email = await serve(nursery, events, by(smtpd), by_mail(concurrency=2))
    for peer, text in enumerate("abc"):  # whichever of the first two comes first is held up
        await events.arrive(text, peer=f"+4915199999{peer:03}")
    await smtpd.until(lambda: len(smtpd.mails) == 2)
    await events.until(lambda: email.feed.backlog == 1)
    assert smtpd.connections == 2
    assert len({mail.connection for mail in smtpd.mails}) == 1


async def test_octets_are_attached_and_what_is_missing_is_said(nursery, smtpd, events):
    email = await serve(nursery, events, by(smtpd))
    data = Arrival(
        carrier="acme", number=NUMBER, peer=PEER, at=events.clock.now_ms(), text=None, data=b"\x00\xffMZ",
        encoding="binary", extra=None,
    )  # fmt: skip
    await events.store.writer.do(InboundOp([data]))
    await done(events, email)
    (mail,) = smtpd.mails
    (attached,) = mail.message.iter_attachments()
    assert (attached.get_content_type(), attached.get_filename()) == ("application/octet-stream", "message.bin")
    assert attached.get_content() == b"\x00\xffMZ"
    assert mail.text.startswith("(This message is not text.)\n")
    assert "What came is attached octet for octet, 4 in all.\n" in mail.text


# --- what goes wrong --------------------------------------------------------------------------------------------------

TROUBLE = {
    "421 in place of a greeting": ("CONNECT", "421 4.3.2 busy", "greeting: 421 4.3.2 busy"),
    "554 in place of a greeting": ("CONNECT", "554 no", "greeting: 554 no"),
    "closes in place of a greeting": ("CONNECT", cut, "connecting: Connection unexpectedly closed"),
    "no greeting": ("CONNECT", hang, "no answer within 1 s (connecting)"),
    "an endless greeting": (
        "CONNECT",
        endless,
        f"connecting: Connection unexpectedly closed: an answer of more than {ANSWER_OCTETS} octets",
    ),
    "421 to MAIL": ("MAIL", "421 4.3.2 going down", "MAIL FROM: 421 4.3.2 going down"),
    "451 to MAIL": ("MAIL", "451 4.3.0 later", "MAIL FROM: 451 4.3.0 later"),
    "452 to MAIL": ("MAIL", "452 4.3.1 no room", "MAIL FROM: 452 4.3.1 no room"),
    "550 to MAIL": ("MAIL", "550 5.7.1 not from you", "MAIL FROM: 550 5.7.1 not from you"),
    "421 to RCPT": ("RCPT", "421 4.4.5 too many", "RCPT TO: 421 4.4.5 too many"),
    "450 to RCPT": ("RCPT", "450 4.2.0 greylisted", f"{DESK}: 450 4.2.0 greylisted"),
    "451 to DATA": ("DATA", "451 4.3.0 later", "DATA: 451 4.3.0 later"),
    "452 to the mail": ("END", "452 4.3.1 disk full", "DATA: 452 4.3.1 disk full"),
    "421 to the mail": ("END", "421 4.3.2 going down", "DATA: 421 4.3.2 going down"),
    "closes within DATA": ("DATA", cut_within_data, "DATA: Connection unexpectedly closed"),
    "closes after DATA": ("END", cut, "DATA: Connection unexpectedly closed"),
    "never says whether it took it": ("END", hang, "no answer within 1 s (DATA)"),
    "never asks for it": ("DATA", hang, "no answer within 1 s (DATA)"),
}


@pytest.mark.parametrize("name", TROUBLE)
async def test_trouble_is_for_another_time_and_nothing_is_lost(nursery, smtpd, events, name):
    step, answer, words = TROUBLE[name]
    smtpd.answers[step] = [answer]
    email = await serve(nursery, events, by(smtpd, timeout=1))
    await events.arrive("hello")
    await events.arrive("and another", peer=STRANGER)
    await events.until(lambda: bool(email.failures))
    assert email.last_error is not None
    # What the system calls a connection that is gone differs with what of it was noticed first.
    assert email.last_error.replace("[Errno 104] Connection reset by peer", "").rstrip(": ") == words
    ((attempts, _, error),) = events.stored_retries(email.feed).values()
    assert (attempts, error) == (1, email.last_error)
    await done(events, email)
    texts = [mail.text.split("\n")[0] for mail in smtpd.mails]
    assert sorted(set(texts)) == ["and another", "hello"]
    # A copy comes only where the server has the mail and could not say so; it has the same id.
    assert len(texts) == (3 if name == "closes after DATA" else 2)
    assert len({mail.message["Message-ID"] for mail in smtpd.mails}) == 2
    assert email.failures == 0
    assert events.stored_retries(email.feed) == {}
    assert events.count("smsgw_handler_deliveries_total", handler="crm") == 2
    assert events.count("smsgw_handler_failures_total", handler="crm") == 1
    assert events.count("smsgw_dead_letters_total", stream="handler:crm") == 0


REFUSED = {
    "550 to the recipient": ("RCPT", "550 5.1.1 no such user", f"{DESK}: 550 5.1.1 no such user"),
    "554 to the mail": ("END", "554 5.7.1 looks\x1b[31m bad", "DATA: 554 5.7.1 looks\\x1b[31m bad"),
    "552 to its size": ("MAIL", "552 5.3.4 too big", "MAIL FROM: 552 5.3.4 too big"),
    "552 to the mail": ("DATA", "552 5.3.4 too big", "DATA: 552 5.3.4 too big"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_for_good_is_a_dead_letter_at_once_and_holds_up_nobody(nursery, smtpd, events, name):
    step, answer, words = REFUSED[name]
    smtpd.answers[step] = [answer]
    email = await serve(nursery, events, by(smtpd))
    await events.arrive("unwanted")
    await events.arrive("wanted", peer=STRANGER)
    await done(events, email)
    assert [mail.text.split("\n")[0] for mail in smtpd.mails] == ["wanted"]
    assert events.stored_retries(email.feed) == {1: (1, None, words)}
    assert events.count("smsgw_dead_letters_total", stream="handler:crm") == 1
    assert smtpd.connections == 1
    assert not email.down


async def test_who_has_the_mail_does_not_get_it_again_while_others_wait_for_theirs(nursery, smtpd, events):
    smtpd.refused["late@office.example"] = "450 4.2.1 later"
    email = await serve(nursery, events, by(smtpd), by_mail(DESK, "late@office.example"))
    await events.arrive("hello")
    await events.until(lambda: email.failures >= 2)
    assert email.last_error == "late@office.example: 450 4.2.1 later (of 2 addresses)"
    assert [mail.recipients for mail in smtpd.mails] == [[DESK]]
    smtpd.refused.clear()
    await done(events, email)
    assert [mail.recipients for mail in smtpd.mails] == [[DESK], ["late@office.example"]]
    assert smtpd.mails[0].octets == smtpd.mails[1].octets


async def test_one_address_that_is_wrong_is_told_of_while_the_others_have_the_mail(nursery, smtpd, events):
    smtpd.refused["gone@office.example"] = "550 5.1.1 no such user"
    email = await serve(nursery, events, by(smtpd), by_mail("gone@office.example", DESK))
    await events.arrive("hello")
    await done(events, email)
    assert [mail.recipients for mail in smtpd.mails] == [[DESK]]
    reason = "gone@office.example: 550 5.1.1 no such user (of 2 addresses)"
    assert events.stored_retries(email.feed) == {1: (1, None, reason)}


async def test_nobody_listens_and_then_somebody_does(nursery, events):
    with Smtpd().running() as gone:
        port = gone.port
    email = await serve(nursery, events, by(gone))
    await events.arrive(*"abc")
    await events.until(lambda: email.failures >= 3)
    assert email.last_error == "connecting: Connection refused"
    with Smtpd().running(port) as smtpd:
        await done(events, email)
        assert sorted(mail.text[0] for mail in smtpd.mails) == ["a", "b", "c"]


async def test_a_name_that_is_none(nursery, smtpd, events):
    email = await serve(nursery, events, by(smtpd, host="mail.invalid"))
    await events.arrive("hello")
    await events.until(lambda: bool(email.failures))
    assert email.last_error in ("connecting: host not found", "connecting: host lookup failed")


async def test_an_address_that_does_not_answer_leaves_time_for_the_next(nursery, smtpd, events, monkeypatch):
    """A name with an IPv6 address that leads nowhere, for instance."""
    with socket.socket() as full, socket.socket() as filling:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        filling.connect(full.getsockname())  # what comes after it is not answered
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", one)) for one in (1, full.getsockname()[1])]
        found.append((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", smtpd.port)))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        email = await serve(nursery, events, by(smtpd, timeout=1.5))
        await events.arrive("hello")
        await smtpd.until(lambda: len(smtpd.mails) == 1)
        assert email.failures == 0


async def test_a_kept_connection_that_the_server_closed_is_no_failure(nursery, smtpd, events):
    email = await serve(nursery, events, by(smtpd))
    await events.arrive("first")
    await done(events, email)
    for goodbye in (cut, "421 4.4.2 idle for too long"):
        smtpd.answers["MAIL"] = [goodbye]
        await events.arrive("next")
        await done(events, email)
    assert (len(smtpd.mails), smtpd.connections) == (3, 3)
    assert events.count("smsgw_handler_failures_total", handler="crm") == 0


async def test_what_was_on_its_way_at_the_end_of_a_run_comes_with_the_next(nursery, smtpd, events):
    smtpd.answers["END"] = [hang]
    feed = await events.feed("crm")
    scope = trio.CancelScope()

    async def run(email: Email, task_status: trio.TaskStatus[None]) -> None:
        with scope:
            await email.run(task_status)

    first = Email(by_mail(), by(smtpd), feed, events.outbox, events.metrics, events.clock)
    await nursery.start(run, first)
    await events.arrive("hello")
    await smtpd.until(lambda: "END" in smtpd.steps)
    scope.cancel()
    await smtpd.until(lambda: smtpd.open == 0)  # its thread does not go on by itself
    assert smtpd.mails == []
    again = Email(by_mail(), by(smtpd), feed, events.outbox, events.metrics, events.clock)
    await nursery.start(again.run)
    await done(events, again)
    (mail,) = smtpd.mails
    assert mail.text.startswith("hello\n")


async def test_a_line_that_is_cut_after_its_last_octet_is_closed_too(smtpd, monkeypatch):
    """Nothing fails in its thread any more then."""
    hand_over = Line._hand_over

    def cut_at_the_end(line, *given):
        taken = hand_over(line, *given)
        line.cut()
        return taken

    monkeypatch.setattr(Line, "_hand_over", cut_at_the_end)
    line = Line(by(smtpd), None)
    taken = await trio.to_thread.run_sync(line.send, SENDER, (DESK,), b"Subject: a\r\n\r\nhello\r\n")
    assert taken == ((DESK,), {})
    assert (line.usable, line._handle) == (False, None)


async def test_a_server_that_hangs_holds_up_no_other_handler(nursery, smtpd, events):
    with Smtpd(always={"CONNECT": hang}).running() as hanging:
        held = await serve(nursery, events, by(hanging, timeout=30), by_mail(name="held"))
        await serve(nursery, events, by(smtpd))
        with trio.fail_after(5):
            for n in range(10):
                await events.arrive(str(n))
                await smtpd.until(lambda n=n: len(smtpd.mails) == n + 1)
        assert held.feed.backlog == 10
        nursery.cancel_scope.cancel()


# --- secrecy ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(ca: trustme.CA, tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return context, path


@pytest.mark.parametrize("way", ["starttls", "tls"])
async def test_tls_and_login(nursery, events, tls, way):
    context, path = tls
    with Smtpd(context=context, implicit=way == "tls", login=("user", PASSWORD)).running() as smtpd:
        smtp = by(smtpd, tls=way, tls_ca=path, user="user", password=PASSWORD)
        email = await serve(nursery, events, smtp)
        await events.arrive("hello", "again")
        await done(events, email)
        assert [mail.tls for mail in smtpd.mails] == [True, True]
        assert len(smtpd.logins) == 1


async def test_without_starttls_nothing_is_said(nursery, smtpd, events):
    email = await serve(nursery, events, by(smtpd, tls="starttls"))
    await events.arrive("hello")
    await events.until(lambda: email.failures >= 2)
    assert email.last_error == "STARTTLS: STARTTLS extension not supported by server"
    assert set(smtpd.steps) == {"CONNECT"}


@pytest.mark.parametrize("way", ["starttls", "tls"])
async def test_a_certificate_of_nobody_we_know(nursery, events, tls, way):
    context, _ = tls
    with Smtpd(context=context, implicit=way == "tls").running() as smtpd:
        email = await serve(nursery, events, by(smtpd, tls=way))
        await events.arrive("hello")
        await events.until(lambda: bool(email.failures))
        assert email.last_error is not None
        assert "TLS certificate: " in email.last_error
        assert "MAIL" not in smtpd.steps
        nursery.cancel_scope.cancel()


async def test_a_password_that_is_wrong_is_tried_until_it_is_put_right_and_shown_nowhere(
    nursery, smtpd, events, tls, capsys
):
    context, path = tls
    log.configure(Log(level="debug", format="json"))
    with Smtpd(context=context, login=("user", "another")).running() as server:
        smtp = by(server, tls="starttls", tls_ca=path, user="user", password=PASSWORD)
        email = await serve(nursery, events, smtp)
        await events.arrive("marked text")
        await events.until(lambda: email.failures >= 2)
        assert email.last_error is not None
        assert email.last_error.startswith("AUTH: 535 ")
        assert "MAIL" not in server.steps
        nursery.cancel_scope.cancel()
    log.flush()
    shown = "".join(capsys.readouterr()) + email.last_error + repr(smtp)
    assert "delivery_failed" in shown
    for secret in (PASSWORD, "marked text", PEER, NUMBER):
        assert secret not in shown
