"""Wrong keys are answered more and more slowly, each address by itself."""

from tts_app.api.wrong_keys import WrongKeys


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_wrong_keys_are_slowed_then_refused() -> None:
    wrong = WrongKeys(Clock())
    delays = [wrong.delay("a") for _ in range(20)]
    assert delays[:10] == [0.0] * 10
    assert delays[10:15] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert delays[15:] == [None] * 5
    assert wrong.delay("b") == 0.0


def test_wrong_keys_are_forgiven_with_time() -> None:
    clock = Clock()
    wrong = WrongKeys(clock)
    for _ in range(100):
        wrong.delay("a")
    clock.now = 4.0
    assert wrong.delay("a") == 2.0
    clock.now = 1000.0
    assert wrong.delay("a") == 0.0


def test_wrong_keys_remember_a_bounded_number_of_addresses() -> None:
    wrong = WrongKeys(Clock())
    for number in range(10_050):
        for _ in range(2):
            wrong.delay(str(number))
    assert len(wrong._clear_at) == 10_000
