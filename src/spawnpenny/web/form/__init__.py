"""The form for a lab: a part of a page for people, a JSON Schema for programs."""
