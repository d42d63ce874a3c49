"""Publishing an image that is there: copies, sharing, deprecation, the pointer that names it. Knows nothing of bakes.

In this order, each in all regions before the next begins anywhere: `copies`, `attributes`, `sharing`, `pointer`, state.
What each region must have is a value, `plan.Publication`. Everything looks first and does only what is missing, so that
publishing again finishes what was begun.
"""
