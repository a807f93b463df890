"""What a worker speaks of an item."""

from tts_app.batch.worker import Order
from tts_app.catalogue import Catalogue
from tts_app.manifests import load_voice_models
from tts_app.resources.tts_job import Reading


def test_an_order_is_spoken_as_its_batch_reads_texts() -> None:
    voice = Catalogue(load_voice_models()).find("female_en-US")
    plain = Order(1, "Hello.", voice, "mp3", "a.mp3").utterance
    assert (plain.options.input_format, plain.options.volume, plain.low_latency) == ("text", 1.0, False)
    reading = Reading(input_format="ssml", urls="skip", normalize=True, volume=0.5)
    read = Order(1, "Hello.", voice, "mp3", "a.mp3", reading=reading).utterance
    assert (read.options.input_format, read.options.urls, read.options.volume) == ("ssml", "skip", 0.5)
