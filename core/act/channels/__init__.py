"""core/act/channels"""
