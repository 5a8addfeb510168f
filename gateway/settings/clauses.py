"""The clauses that say how to stop marketing messages, by language: what is added to texts that have none.

Those of languages that GSM 7 bit can write have only its characters, so that a clause never makes UCS-2 of a text; each
names STOP, which is honoured everywhere (`gateway/policy/optout.toml`).
"""

from __future__ import annotations

from typing import Final

CLAUSES: Final[dict[str, str]] = {
    "en": "Reply STOP to opt out.",
    "es": "Responda STOP para darse de baja.",
    "fr": "Répondez STOP pour vous désabonner.",
    "de": "Antworten Sie STOP zum Abmelden.",
    "pt": "Responda STOP para cancelar.",
    "it": "Rispondi STOP per cancellarti.",
    "nl": "Antwoord STOP om u af te melden.",
    "sv": "Svara STOP för att avsluta.",
    "da": "Svar STOP for at afmelde.",
    "nb": "Svar STOP for å melde deg av.",
    "fi": "Peruuta vastaamalla STOP.",
    "pl": "Rezygnacja: odpisz STOP.",
    "tr": "Iptal icin STOP yazin.",
    "ru": "Отписаться: ответьте STOP.",
    "uk": "Відписатися: відповідь STOP.",
    "ar": "لإلغاء الاشتراك أرسل STOP",
    "he": "להסרה השיבו STOP",
    "zh": "退订回复STOP",
    "ja": "配信停止はSTOPと返信",
    "ko": "수신거부: STOP 회신",
}
