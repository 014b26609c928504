"""Formats of tables of features, a module each.

Each has `names(path)`, the columns' names, and `tables(path, columns)`, all rows as Arrow tables;
what both raise is a DatasetError that names what is wrong.
"""
