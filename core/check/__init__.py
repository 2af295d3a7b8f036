"""core/check"""
