"""core/load"""
