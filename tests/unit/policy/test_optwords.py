"""What counts as STOP, START and HELP, what comes near, and what does not; and the package's texts."""

from __future__ import annotations

import pytest

from gateway.policy.optwords import LANGUAGES, SEARCHED, Vocabulary, package
from gateway.sms.segment import plan

VOCABULARY = Vocabulary()


def meaning(text: str) -> str | None:
    reading = VOCABULARY.read(text)
    return reading.meaning if reading is not None else None


@pytest.mark.parametrize(
    "text",
    [
        *("STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT"),
        *("stop", "Stop", " stop \r\n", "STOP.", "stop!!!", '"STOP"', "\u201cStop\u201d", "\u00bbstop\u00ab", "'stop'"),
        *(
            "(stop)",
            "*STOP*",
            "STOP \U0001f6d1",
            "\u00a1STOP!",
            "stop all",
            "Stop-All",
            "opt-out",
            "OPT_OUT",
            "opt  out",
        ),
        *(
            "S\u200bTOP",
            "\u3164STOP\uffa0",
            "ST\u2800OP",
            "\u2060STOP\ufeff",
            "STO\u00adP",
            "\uff33\uff34\uff2f\uff30",
            "\U0001d412\U0001d413\U0001d40e\U0001d40f",
        ),
        *(
            "QU\u0130T",
            "qu\u0131t",
            "ARR\u00caT",
            "Arret",
            "arre\u0302t",
            "alto",
            "BAJA",
            "darse de baja",
            "d\u00e9sabonner",
        ),
        *(
            "S.T.O.P.",
            "s t o p",
            "O-P-T O-U-T",
            "S\u20e3T\u20e3O\u20e3P\u20e3",
            "\U0001f182\U0001f183\U0001f17e\U0001f17f",
        ),
        *("STOP".ljust(160), "\n" * 2000 + "STOP", "Stop" + "!" * 150, "\U0001f64f" * 69 + "STOP"),
        *("Abmelden", "k\u00fcndigen", "PARAR", "sair", "Basta", "disiscrivi", "cancelar"),
    ],
)
def test_what_stops(text: str) -> None:
    assert meaning(text) == "stop"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "STOP NOW",
            "stop 12345",
            "12345 stop",
            "please stop texting me",
            "Stop please",
            "STOP IT!!",
            "Stop stop stop",
        ),
        *("opt me out of this list, thank you very much for nothing", "Remove me", "Don't text me again, ever, please"),
        *("unsubscribe me from all of your lists today please", "take me off your list", "unsub", "STPO", "unsuscribe"),
        *(
            "STOP\nSent from my phone",
            "End\r\n--\r\nJo",
            "CANCEL\n\nRegards,\nJo Doe",
            "END END",
            "stop2end",
            "Un-subscribe",
        ),
        "STOP".ljust(SEARCHED, ".") + "x",
        *("no quiero baja", "Ich will mich bitte abmelden", "keine SMS mehr!", "ne m'envoyez plus de SMS", "basta sms"),
        *("Hello, I have told you three times by now: STOP", "pare de enviar isso"),
    ],
)
def test_what_comes_near(text: str) -> None:
    assert meaning(text) == "near"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "...", "\u200b", "Hello", "yes", "I will stop by at five", "the bus stop is closed", "The end"),
        *(
            "cancel my order",
            "non-stop fun",
            "unstoppable",
            "stopping",
            "Can you ask them to stop the delivery at noon?",
        ),
        *("S T A R", "I C U", "Cancel that, I am coming after all", "quit smoking", "weekend", "END OF THE LINE", "0"),
        *("I can't stop laughing", "don\u2019t stop!", "Best\nSent from my phone", "no no", "HELP HELP", "un start"),
        "STOP".rjust(SEARCHED + 4, "x"),
    ],
)
def test_what_is_neither(text: str) -> None:
    assert meaning(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("START", "start"), ("unstop", "start"), ("Start!", "start"), ("start now", None), ("restart", None)),
        *(("HELP", "help"), ("help?", "help"), ("INFO", "help"), ("ayuda", "help"), ("help me", None)),
        *(("YES", None), ("ALTA", "start"), ("hilfe", "help"), ("starten", "start")),
    ],
)
def test_start_and_help(text: str, expected: str | None) -> None:
    assert meaning(text) == expected


def test_the_first_language_with_a_keyword_is_that_of_the_answer() -> None:
    def language(vocabulary: Vocabulary, text: str) -> str:
        reading = vocabulary.read(text)
        assert reading is not None
        return reading.language

    assert language(VOCABULARY, "stop") == "en"
    assert language(Vocabulary(("fr", "en")), "stop") == "fr"
    assert language(VOCABULARY, "arr\u00eat") == "fr"
    assert language(Vocabulary(("de",), stop=["Schluss"]), "schluss!") == "de"
    assert Vocabulary(("de",)).read("unsubscribe") is None
    # Whoever may have meant a stop has said it: baja is one in Spanish, whatever an operator adds.
    reading = Vocabulary(start=["ferma"]).read("ferma")
    assert reading is not None
    assert reading.meaning == "stop"


def test_an_operators_words_may_be_of_any_script() -> None:
    vocabulary = Vocabulary(
        ("en",), stop=["\u9000\u8ba2", "\u0421\u0422\u041e\u041f"], help=["\u0939\u0947\u0932\u094d\u092a"]
    )
    for text, expected in (
        ("\u9000\u8ba2", "stop"),
        ("\u0441\u0442\u043e\u043f!", "stop"),
        ("\u0939\u0947\u0932\u094d\u092a", "help"),
        ("\u9000\u8ba2\u5427", None),
    ):
        reading = vocabulary.read(text)
        assert (reading.meaning if reading is not None else None) == expected, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_answer_is_one_segment_and_names_a_way_back(language: str) -> None:
    words = package()[language]  # type: ignore[index]
    for text in (words.stop_reply, words.start_reply, words.help_reply):
        found = plan(text)
        assert (found.encoding, found.parts) == ("gsm7", 1), text
    assert "START" in words.stop_reply
    assert "STOP" in words.start_reply
    assert "STOP" in words.help_reply


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_of_one_kind_is_of_another_in_a_language(language: str) -> None:
    words = package()[language]  # type: ignore[index]
    vocabulary = Vocabulary((language,))  # type: ignore[arg-type]
    for expected, listed in (("stop", words.stop), ("start", words.start), ("help", words.help)):
        for word in listed:
            reading = vocabulary.read(word)
            assert reading is not None
            assert reading.meaning == expected, word
