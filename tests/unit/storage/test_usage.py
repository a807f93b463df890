"""The table of usage, on both databases."""

from datetime import date

from tts_app.amounts import Amounts
from tts_app.storage.database import Database
from tts_app.storage.usage import Total, Usages, Used

MONDAY, TUESDAY = date(2026, 11, 30), date(2026, 12, 1)


def used(
    day: date = MONDAY, tenant: str = "hotel", caller: str = "site", voice: str = "female_en-US"
) -> Used:
    return Used(day, tenant, caller, "kokoro", voice)


def test_usages_add_to_rows_that_are_there(database: Database) -> None:
    usages = Usages(database)
    for characters in (3, 4_000_000_000):
        usages.add({used(): Total(1, Amounts(characters, 1.5, 2, 5))}.items())
    usages.add([])
    assert usages.list("hotel", MONDAY, MONDAY) == [
        (used(caller=""), Total(2, Amounts(4_000_000_003, 3.0, 4, 10)))
    ]


def test_usages_are_summed_over_callers_unless_asked_by_caller(database: Database) -> None:
    usages = Usages(database)
    usages.add([(used(caller=caller), Total(1, Amounts(2))) for caller in ("site", "app")])
    assert usages.list("hotel", MONDAY, MONDAY) == [(used(caller=""), Total(2, Amounts(4)))]
    assert usages.list("hotel", MONDAY, MONDAY, by_caller=True) == [
        (used(caller="app"), Total(1, Amounts(2))),
        (used(caller="site"), Total(1, Amounts(2))),
    ]


def test_usages_list_the_days_and_the_tenant_that_are_asked_for(database: Database) -> None:
    usages = Usages(database)
    rows = [used(TUESDAY), used(), used(tenant="clinic"), used(voice="")]
    usages.add([(row, Total(1, Amounts(1))) for row in rows])
    found = usages.list("hotel", MONDAY, TUESDAY)
    assert [(row.day, row.voice) for row, _ in found] == [
        (MONDAY, ""), (MONDAY, "female_en-US"), (TUESDAY, "female_en-US"),
    ]  # fmt: skip
    assert len(usages.list("hotel", TUESDAY, TUESDAY)) == 1
    assert usages.list("museum", MONDAY, TUESDAY) == []
