"""Whether a marketing text says how to stop such messages, and the clause that is added where none does."""

from __future__ import annotations

import pytest

from gateway.policy.clause import Clauses, appended
from gateway.settings.clauses import CLAUSES
from gateway.sms.gsm0338 import is_encodable

HAVE = """\
Reply STOP to opt out.
reply stop to opt out
Txt STOP 2 quit
STOP2END
stop=end
STOP to end
Stop to quit.
Reply "STOP" to unsubscribe
Text STOP to 12345
Text back STOP to end msgs
To opt out, reply STOP
To unsubscribe, send STOP to 12345
Opt-out: STOP
OPTOUT: STOP
Unsubscribe: https://acme.example/u
unsubscribe at acme.example/u
Reply UNSUBSCRIBE to be removed
Reply with the word STOP
STOP to cancel
Text END to 12345
Descadastre-se: acme.example/s
Disiscriviti: acme.example/d
Rispondi BASTA per non ricevere altri messaggi
STOP=unsub
END to stop
Reply END to stop
Text "END" to 12345
Msg&data rates may apply. HELP for help, STOP to end.
Ｒｅｐｌｙ ＳＴＯＰ
Reply S\u200bTOP to opt out
Répondez STOP pour vous désabonner
REPONDEZ STOP
STOP au 36180
STOP SMS 36111
Stop 36180
Stop pub: envoyez STOP au 36180
Antworten Sie mit STOP
Mit STOP abmelden
Abmelden: STOP
STOP an 12345
Responda STOP para darse de baja
Envía BAJA para no recibir más
Responda SAIR para cancelar
Para não receber mais, responda PARE
Rispondi STOP per cancellarti
Antwoord STOP om u af te melden
Stuur STOP om je af te melden
Svara STOPP för att avsluta
Rezygnacja: odpisz STOP
Отписаться: ответьте СТОП
退订回复TD
回T退订
להסרה השב הסר
수신거부 0801234567
配信停止はこちら
Iptal icin RET yaz
""".splitlines()

HAVE_NOT = """\
Sale today
Stop by our shop today
Don't stop now! 50% off
STOP paying too much!
STOP
End to end service
Text us to stop by
Nonstop fun
Text END OF SUMMER to win
Meet us at Bus Stop 36180
Basta un SMS: rispondi SI
Your bus stop to 1500 Broadway
Sale must end Sunday. Reply now
Don't stop to end hunger
We never stop. End of season sale
STOP: end of season sale
The offer will end. Quit worrying
Opt for out-of-town trips
Reply YES to win
Cancel your plans and come to us
Bajamos los precios, baja ahora
Un arrêt minute
Unsubscribed friends miss out
The sending end of it
Leave a message, end with #
Removal by the end user
End-to-end encrypted
""".splitlines()


@pytest.mark.parametrize("clause", HAVE)
def test_a_clause_is_found_wherever_it_stands(clause: str) -> None:
    clauses = Clauses()
    for text in (clause, f"Sale today at Acme! {clause}", f"{clause}\nAcme", f"Acme\n{clause}\n-- \nA. Acme"):
        assert clauses.found(text), text


@pytest.mark.parametrize("text", HAVE_NOT)
def test_the_words_alone_are_no_clause(text: str) -> None:
    assert not Clauses().found(text)


@pytest.mark.parametrize("language", CLAUSES)
def test_what_is_added_is_found_again(language: str) -> None:
    text = appended("Sale today at Acme!", Clauses(language).text(None))
    assert text == f"Sale today at Acme! {CLAUSES[language]}"
    assert Clauses().found(text)


@pytest.mark.parametrize("language", [one for one in CLAUSES if CLAUSES[one].split(":")[0].isascii()])
def test_no_clause_makes_ucs2_of_a_text(language: str) -> None:
    assert all(is_encodable(char) for char in CLAUSES[language])


def test_every_clause_names_what_is_honoured_everywhere() -> None:
    assert all("STOP" in text for text in CLAUSES.values())


def test_own_texts_stand_over_the_package_and_count_as_clauses() -> None:
    clauses = Clauses("en", {"en": "Txt NEIN to 1", "sw": "Tuma ACHA"}, others=["Ring 555 to leave us"])
    assert clauses.text(None) == clauses.text("en-GB") == clauses.text("tlh") == "Txt NEIN to 1"
    assert clauses.text("SW") == "Tuma ACHA"
    assert clauses.text("de_AT") == CLAUSES["de"]
    assert all(clauses.found(f"Sale. {text}") for text in ("txt nein to 1!", "tuma  acha", "RING 555 TO LEAVE US"))
    assert not clauses.found("Sale. Txt NEIN to 12")
    assert not Clauses().found("Tuma ACHA")


def test_a_clause_stands_behind_a_blank_or_a_line_end() -> None:
    assert appended("Sale", "X") == "Sale X"
    assert appended("Sale\n", "X") == "Sale\nX"


def test_long_texts_are_looked_at_in_a_time_that_grows_with_them() -> None:
    clauses = Clauses()
    for text in ("reply " * 2_000, "reply with " * 1_000, "stop " * 2_400, "stop-" * 2_400, "opting " * 1_000):
        assert not clauses.found(text)
        assert not clauses.found("reply" + "-" * 10_000 + "stop")
