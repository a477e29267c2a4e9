"""Who a caller is, and who a user is."""
