"""Every command of `detection-api`. Each is a thin skin over the package that does the work.

`main` lists them. Only entry points import this package.
"""
