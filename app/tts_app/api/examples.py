"""Examples of `/docs`, one for each language."""

from typing import Any

from tts_app.resources.locales import LANGUAGES

_TEXTS = {
    "en": ("female_en-US", "Good evening! Your table for four is ready at 7:30 pm."),
    "ar": ("male_ar-EG", "مساء الخير! الطاولة جاهزة لأربعة أشخاص الساعة السابعة والنصف."),
    "es": ("female_es-ES", "¡Buenas tardes! Su mesa para cuatro estará lista a las 19:30."),
    "hi": ("male_hi-IN", "नमस्ते! चार लोगों के लिए आपकी मेज़ 7:30 बजे तैयार है।"),
    "ur": ("female_ur-PK", "شام بخیر! چار لوگوں کے لیے آپ کی میز ساڑھے سات بجے تیار ہے۔"),
}

SPEECH: dict[str, Any] = {
    code: {"summary": LANGUAGES[code].name, "value": {"model": "tts-1", "input": text, "voice": voice}}
    for code, (voice, text) in _TEXTS.items()
}

DURABLE: dict[str, Any] = {
    code: {
        "summary": LANGUAGES[code].name,
        "value": {
            "text": text,
            "language": code,
            "dialect": voice.split("-")[1],
            "gender": voice.split("_")[0],
        },
    }
    for code, (voice, text) in _TEXTS.items()
}

BATCH: dict[str, Any] = {
    "two": {
        "summary": "A post by a woman and a man in two languages: four files",
        "value": {
            "posts": [{"id": 1, "text": {"en": _TEXTS["en"][1], "es": _TEXTS["es"][1]}}],
            "avatars": {"locales": ["en-US", "es-ES"], "genders": ["female", "male"]},
        },
    }
}

CHAT: dict[str, Any] = {
    "answer": {
        "summary": "An answer, streamed",
        "value": {
            "model": "smollm",
            "messages": [{"role": "user", "content": "Write two sentences on a quiet harbour at night."}],
            "max_completion_tokens": 80,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
    },
    "spoken": {
        "summary": "An answer that is spoken while it is written",
        "value": {
            "model": "smollm",
            "messages": [{"role": "user", "content": "Greet a guest who arrives late."}],
            "max_completion_tokens": 80,
            "modalities": ["text", "audio"],
            "audio": {"voice": "female_en-US", "format": "mp3"},
        },
    },
}
COMPLETION: dict[str, Any] = {
    "continuation": {
        "summary": "How a text goes on",
        "value": {"model": "smollm", "prompt": "The harbour is quiet at night,", "max_tokens": 40},
    },
}
