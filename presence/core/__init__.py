"""The rules: no clock, socket, file, task, log or randomness; time comes in as arguments, answers
go out as values.
"""
