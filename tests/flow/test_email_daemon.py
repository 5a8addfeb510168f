"""Mails of a whole daemon, from a carrier's deliver_sm to the mail server: over restarts and reloads too."""

from __future__ import annotations

from pathlib import Path

from gateway.smpp.pdu import DeliverSm
from tests.support.daemons import Gateway, gateway
from tests.support.smsc import address, peers
from tests.support.smtpd import Smtpd

NUMBER, PEER = "+15551239999", peers(1)[0]
PATIENCE = 30.0


def desk(port: int) -> str:
    """A number whose messages go to people by the mail server on this port."""
    return f"""
[[numbers]]
number = "{NUMBER}"
carrier = "acme"
handlers = ["desk"]
[[handlers]]
name = "desk"
email = ["desk@office.example"]
retry_min = 0.1
retry_max = 1
[smtp]
host = "127.0.0.1"
port = {port}
tls = "none"
sender = "sms@office.example"
"""


def deliver(g: Gateway, *texts: str) -> None:
    for text in texts:
        g.smsc.binds[-1].deliver(DeliverSm(address(PEER), address(NUMBER), text.encode()), text)


def texts(smtpd: Smtpd) -> list[str]:
    return [mail.text.split("\n")[0] for mail in smtpd.mails]


async def test_what_comes_in_is_mailed_and_receipts_are_not() -> None:
    with Smtpd().running() as smtpd:
        async with gateway(extra=desk(smtpd.port), patience=PATIENCE) as g:
            app = await g.connect()
            await app.call("subscribe")
            await app.call("submit", from_=NUMBER, to=PEER, text="out")
            (submit,) = await g.smsc.came(1)
            g.smsc.receipt(submit)
            await app.notified(1)  # the receipt, to who subscribed
            deliver(g, "first", "second")
            await smtpd.until(lambda: len(smtpd.mails) == 2)
            feed = g.daemon.handlers["desk"].feed
            await g.until(lambda: not feed.backlog)
            assert (feed.last, feed.dead) == (2, 0)
            (row,) = [one for one in (await app.call("status"))["handlers"] if one["name"] == "desk"]
            assert (row["configured"], row["backlog"]) == (True, 0)
        assert texts(smtpd) == ["first", "second"]


async def test_what_was_acknowledged_is_mailed_after_a_kill(tmp_path: Path) -> None:
    with Smtpd().running() as gone:
        port = gone.port
    sent = [f"message {n}" for n in range(20)]
    async with gateway(tmp_path, extra=desk(port), patience=PATIENCE, stop=False) as g:
        deliver(g, *sent)
        await g.until(lambda: len(g.smsc.binds[0].answers) == 20)
        await g.until(lambda: g.daemon.handlers["desk"].failures >= 3)
    with Smtpd().running(port) as smtpd:
        async with gateway(tmp_path, extra=desk(port), patience=PATIENCE) as g:
            handler = g.daemon.handlers["desk"]
            await g.until(lambda: not handler.feed.backlog and not handler.waiting)
        assert sorted(texts(smtpd)) == sorted(sent)
        assert len({mail.message["Message-ID"] for mail in smtpd.mails}) == 20


RULES = """
[groups.oncall]
members = [
    { name = "Ann", phone = "+15552340001", email = "ann@office.example" },
    { name = "Bob", email = "bob@x.example" },
]
[[rules]]
name = "urgent"
contains = ["fire"]
urgent = true
email = ["oncall"]
forward = ["oncall"]
"""


async def test_rules_mail_to_people_once_over_a_kill_and_a_reload(tmp_path: Path) -> None:
    """One mail to all of them beside the handler's own; who has no phone is forwarded nothing."""
    with Smtpd().running() as gone:
        port = gone.port
    extra = desk(port) + RULES
    async with gateway(tmp_path, extra=extra, patience=PATIENCE, stop=False) as g:
        deliver(g, "fire", "hello")
        await g.until(lambda: g.daemon.handlers["@email"].failures >= 1)
        (forward,) = await g.smsc.came(1)
        assert forward.peer == "+15552340001"
    with Smtpd().running(port) as smtpd:
        async with gateway(tmp_path, extra=extra, patience=PATIENCE) as g:
            await smtpd.until(lambda: len(smtpd.mails) == 3)
            by_rule = [mail for mail in smtpd.mails if len(mail.recipients) == 2]
            (mail,) = by_rule
            assert mail.recipients == ["ann@office.example", "bob@x.example"]
            assert mail.message["To"] == "ann@office.example, bob@x.example"
            assert (mail.message["Importance"], mail.text.split("\n")[0]) == ("high", "fire")
            desks = [one for one in smtpd.mails if one.recipients == ["desk@office.example"]]
            assert {one.message["References"] for one in desks} == {mail.message["References"]}, "one conversation"
            handler = g.daemon.handlers["@email"]
            await g.until(lambda: not handler.feed.backlog and not handler.waiting)
            # Without that rule nobody mails any more, and with it again somebody does.
            text = g.config.read_text()
            app = await g.connect()
            g.config.write_text(text.replace(RULES, ""))
            await app.call("reload")
            assert "@email" not in g.daemon.handlers
            g.config.write_text(text)
            await app.call("reload")
            deliver(g, "fire again")
            await smtpd.until(lambda: len(smtpd.mails) == 5)


async def test_a_reload_sends_by_the_new_server_what_the_old_one_did_not_take() -> None:
    with Smtpd(always={"MAIL": "451 4.3.0 later"}).running() as old, Smtpd().running() as new:
        async with gateway(extra=desk(old.port), patience=PATIENCE) as g:
            deliver(g, "hello")
            await g.until(lambda: g.daemon.handlers["desk"].failures)
            g.config.write_text(g.config.read_text().replace(f"port = {old.port}", f"port = {new.port}"))
            assert (await g.daemon.reload())["changed"] == ["smtp"]
            await new.until(lambda: len(new.mails) == 1)
            await g.until(lambda: not g.daemon.handlers["desk"].waiting)
        assert (texts(old), texts(new)) == ([], ["hello"])
