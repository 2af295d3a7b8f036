"""core/detect"""
