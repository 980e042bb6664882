"""Other ways to do the router's work, to be run beside it: each a program of its own, on the same broker.

They are called with the arguments of `Errand` and print `first` after the warm-up and `last` when everything is done.
"""
