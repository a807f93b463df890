"""Makes a front-end that reads markup of one that reads plain words."""

from abc import ABC, abstractmethod

from tts_app.language.markup.plain import without_markup


class ReadsMarkup(ABC):
    """Base of the front-ends: gives them `normalise`, which reads a text's markup, then its `words`."""

    @abstractmethod
    def words(self, text: str) -> str:
        """Return text that holds no markup as the words that are spoken: see `base.FrontEnd`."""

    def normalise(self, text: str) -> str:
        """Return a text as people write it as the words that are spoken: see `base.FrontEnd`."""
        return self.words(without_markup(text))
