"""core/explain"""
