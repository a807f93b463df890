"""Names of the deployments, each alone in an application of its own."""

GATEWAY_DEPLOYMENT = "Gateway"
VOICE_DEPLOYMENT = "Voice"
"""Deployment that every VoiceModel's application has."""
TEXT_DEPLOYMENT = "Text"
"""Deployment that every TextModel's application has."""
