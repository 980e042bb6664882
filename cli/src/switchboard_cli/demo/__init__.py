"""The demo: a made-up practice, its patients, its staff, and a day's messages through the real front doors."""
