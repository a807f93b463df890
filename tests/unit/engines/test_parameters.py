"""Parameters of engines: what they are where a model does not set them."""

import pytest

from tts_app.engines.parameters import max_batch_on


@pytest.mark.parametrize(
    ("device", "asked", "most"), [("cpu", None, 1), ("cuda", None, 16), ("cpu", 4, 4), ("cuda", 1, 1)]
)
def test_max_batch_is_the_devices_unless_the_model_says_otherwise(
    device: str, asked: int | None, most: int
) -> None:
    assert max_batch_on(device, asked, on_gpu=16) == most
