"""Markup: what in a text says how it is spoken, or is not to be spoken at all.

`plain` reads texts as people and chat models write them. A front-end gets text without markup in its `words`.
"""
