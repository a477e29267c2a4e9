"""Plugins: the hooks that they may implement, and the manager that loads them."""
