"""Every format that the package reads from users, saved models among them; a new one is one more entry."""

from __future__ import annotations

from fuzz import anomaly_formats, knowledge_formats, mediation_formats, saved_models, text_formats
from fuzz.examples import Format

MODULES = text_formats, knowledge_formats, anomaly_formats, mediation_formats, saved_models
FORMATS: dict[str, Format] = {form.name: form for module in MODULES for form in module.FORMATS}
