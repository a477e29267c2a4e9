"""Sphinx reads the pages as MyST Markdown."""

project = "spawnpenny"
author = "The spawnpenny contributors"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_title = "spawnpenny"
