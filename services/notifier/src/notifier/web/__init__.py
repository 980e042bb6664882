"""The staff console: its pages, signing in, and what the pages are made of. They use the public API, as any staff app."""
