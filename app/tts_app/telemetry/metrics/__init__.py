"""The app's metrics, a module for each subject. docs/metrics.md lists them all, and a test holds it to that.

Ray exports them: with `ray_` before each name, and `_total` after a counter's. Labels are bounded: names of
models and avatars, and the closed lists here. A tenant, a text or a cloned voice's id is never one.
"""
