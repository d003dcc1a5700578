"""The honest bench of the entry decision: recorded walks, a simulated shop, and everyone's rule on
the same air.
"""
