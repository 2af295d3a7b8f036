"""The use cases: run, send, settle incidents, keep sources and schedules. Only these write."""
