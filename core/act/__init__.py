"""core/act"""
