"""The rules of a post's words."""

import pytest

from tts_app.batch.post_record import Fault
from tts_app.batch.review import Review, review_posts, text_faults
from tts_app.resources.tts_job import Post

GOOD = "Wake up to the sea this summer, with breakfast on the terrace and three nights for two. See you soon!"
ARABIC = "استيقظ على صوت البحر هذا الصيف مع فطور على الشرفة وثلاث ليال لشخصين بسعر واحد ونراك قريبا"
URDU = "اس موسم گرما میں سمندر کی آواز پر جاگیں اور چھت پر ناشتے کے ساتھ دو لوگوں کے لیے تین راتیں پائیں"
HINDI = "इस गर्मी समुद्र की आवाज़ पर जागिए, छत पर नाश्ते के साथ दो लोगों के लिए तीन रातें पाइए और मुस्कुराइए"
SPANISH = "Despierta junto al mar este verano: desayuno en la terraza y tres noches para dos. ¡Te esperamos!"


@pytest.mark.parametrize(
    ("language", "text"),
    [("en-GB", GOOD), ("ar", ARABIC), ("ar-EG", ARABIC), ("ur", URDU), ("hi-IN", HINDI), ("es", SPANISH)],
)
def test_text_faults_of_a_good_text_are_none(language: str, text: str) -> None:
    assert list(text_faults(language, text)) == []


@pytest.mark.parametrize(
    ("language", "text", "fault"),
    [
        ("en", "Too short.", "it has 2 words, not 15 to 60"),
        ("en", "word " * 60 + "more", "it has 61 words, not 15 to 60"),
        ("en", "123 !!", "it has no words"),
        ("ar", GOOD, "only 0% of its letters are Arabic"),
        ("hi", GOOD, "only 0% of its letters are Devanagari"),
        ("en", ARABIC, "only 0% of its letters are Latin"),
        ("ur", ARABIC, "it has letters that are Arabic and not Urdu"),
        ("en", f"{GOOD} Call [Name].", "it has a placeholder: [Name]"),
        ("en", f"{GOOD} From {{price}}.", "it has a placeholder: {price}"),
        ("en", f"{GOOD} From XXX euros.", "it has a placeholder: XXX"),
        ("ar", f"{ARABIC} {'ش' * 41}", "it has a word of 41 letters"),
        ("en", f"{GOOD}\n", "it has line breaks or loose white space"),
        ("en", GOOD.replace(" ", "  ", 1), "it has line breaks or loose white space"),
    ],
)
def test_text_faults_say_what_is_wrong(language: str, text: str, fault: str) -> None:
    assert any(found.startswith(fault) for found in text_faults(language, text))


def test_review_finds_texts_that_differ_only_in_marks() -> None:
    review = Review()
    assert review.faults("en", GOOD) == []
    review.keep("post 1 in en", GOOD)
    assert review.faults("en-GB", GOOD.upper().replace("!", "…")) == ["it is the same as post 1 in en"]
    assert review.faults("es", SPANISH) == []


def test_review_posts_reports_all_faults_with_their_places() -> None:
    posts = [
        Post(id=1, text={"en": GOOD, "ar": ARABIC}),
        Fault("line 2", "it is not JSON"),
        Post(id=1, text={"en": GOOD}),
        Post(id=3, text={"ar": GOOD}),
    ]
    assert [str(fault) for fault in review_posts(posts)] == [
        "line 2: it is not JSON",
        "post 1: its id is given twice",
        "post 1 in en: it is the same as post 1 in en",
        "post 3 in ar: only 0% of its letters are Arabic",
        "post 3 in ar: it is the same as post 1 in en",
    ]
