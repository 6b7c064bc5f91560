"""Every command of `detection-api`; each is a thin skin over the package that does the work.

`main` lists them. Nothing imports this package but the entry points.
"""
