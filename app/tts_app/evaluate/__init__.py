"""How well a model's voices speak: a recogniser and meters that share no code with what they judge.

Needs the extra `evaluate`; only `ttsp models evaluate` and `make quality` import it.
"""
