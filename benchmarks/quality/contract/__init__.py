"""What a data set says of itself, and the recordings that it gives.

A data set is one module: a loader and an instance of one of these.

- `trials.TrialDataset`: people look at targets, one a trial; the right one is known.
- `movement.MovementDataset`: features and the movement that they belong to, bin by bin.
- `denoising.DenoisingDataset`: clean signals and artifacts to mix into them.
- `contamination.ContaminatedDataset`: trials, with artifacts mixed in.
- `dataset.SelfScored`: a data set that scores a session by a protocol of its own.
"""
