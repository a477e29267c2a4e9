"""The spawn form: a part of a page for people, a JSON Schema for programs."""
