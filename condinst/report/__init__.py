"""One page of results after a training: ``condinst report``, and ReportHook at the end of a run."""
