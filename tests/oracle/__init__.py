"""The routing rules a second time: naive, slow, read straight off the page; to hold the real ones against."""
