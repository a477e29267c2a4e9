"""How a spawn comes about: steps, their order, the runner, the record of a user."""
