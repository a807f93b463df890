"""Kokoro's network in torch, for batches of phrases of different lengths. Pure: no files, no devices.

Its parts are named as in the published checkpoints. The architecture is that of StyleTTS 2 (Li et al., 2023)
with the vocoder of iSTFTNet (Kaneko et al., 2022); the text encoder is an ALBERT (Lan et al., 2020) that was
trained on phonemes (PL-BERT, Li et al., 2023). These modules are our own: the package `kokoro` speaks one
phrase at a time and adds noise (docs/decisions/0022-kokoro-torch.md).

What lies after the end of a phrase is kept at zero, so a phrase sounds the same whatever it is batched with.
"""
