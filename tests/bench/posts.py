"""Texts to measure with: posts of a hotel, of a wanted length; none is given twice, so no cache can help."""

import random

_SENTENCES = (
    "Room {number} is ready for you.",
    "Table {number} has the best view.",
    "Taxi {number} waits at the front door.",
    "{name}, parcel {number} has arrived.",
    "{name}, the key to room {number} is here.",
    "Dinner for room {number} is on its way up.",
    "Good morning from {place}.",
    "Breakfast is ready on the terrace, {name}.",
    "Our chef {name} recommends the grilled sea bass.",
    "The pool at {place} opens early in the morning.",
    "Please join us in the garden for afternoon tea.",
    "{name} will meet you in the lobby and show you around.",
    "Late checkout is free for all guests this weekend.",
    "There is live music by the fountain every evening.",
    "The sunset over {place} was wonderful last night.",
    "Book a table by the window before they are gone.",
    "Thank you, {name}, for the kindest words we had all year.",
    "Fresh bread, ripe figs and strong coffee are waiting.",
    "The spa has room for two more guests this afternoon.",
    "Children eat for free when they bring a drawing of {place}.",
    "Walk down to the harbour and watch the boats come in.",
    "A quiet room with a view of {place} has just become free.",
    "Ask {name} at the desk for a map of the old town.",
    "We have planted forty young olive trees behind the house.",
)
_NAMES = (
    "Amelia",
    "Omar",
    "Priya",
    "Lucas",
    "Fatima",
    "George",
    "Elena",
    "Bilal",
    "Sofia",
    "Henry",
    "Noor",
    "Isla",
)
_PLACES = (
    "the Riverside Hotel", "the old lighthouse", "Cedar Bay", "the Grand Pavilion", "Lavender Hill",
    "the Harbour Inn", "Palm Court", "the Mountain Lodge", "Orchid House", "the Desert Camp",
)  # fmt: skip
TOLERANCE = 0.08
ATTEMPTS = 10_000


class Posts:
    """Gives posts, the same ones for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - texts, not secrets
        self._given: set[str] = set()

    def post(self, length: int) -> str:
        """Return a new post of about `length` characters, within TOLERANCE."""
        for _ in range(ATTEMPTS):
            text = self._compose(length)
            if abs(len(text) - length) <= max(2, TOLERANCE * length) and text not in self._given:
                self._given.add(text)
                return text
        raise ValueError(f"there are not enough posts of {length} characters")

    def posts(self, lengths: tuple[int, ...], count: int) -> list[str]:
        """Return `count` new posts, whose lengths go round through `lengths`."""
        return [self.post(lengths[i % len(lengths)]) for i in range(count)]

    def _compose(self, length: int) -> str:
        sentences = list(_SENTENCES)
        self._random.shuffle(sentences)
        text = ""
        while sentences and len(text) < length * (1 - TOLERANCE):
            name, place = self._random.choice(_NAMES), self._random.choice(_PLACES)
            number = self._random.randrange(100, 1000)
            text = f"{text} {sentences.pop().format(name=name, place=place, number=number)}".strip()
        return text
