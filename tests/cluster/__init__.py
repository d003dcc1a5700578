"""A chain's broker: clusters of three real nodes whose nodes die, sleep and lose each other."""
