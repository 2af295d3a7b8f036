"""core/adapters"""
