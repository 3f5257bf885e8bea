"""Write the results of a training as one page, for ``condinst report`` and ``ReportHook``."""
