"""Robust seasonal."""
