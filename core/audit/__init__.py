"""core/audit"""
