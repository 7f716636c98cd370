"""Model of FiftyOne (`fiftyone.Model`) that segments with a samfleet server.

dataset.apply_model(SamfleetModel("mobile_sam"), label_field="masks", batch_size=16)
"""

from samfleet_fiftyone.model import SamfleetModel

__all__ = ["SamfleetModel"]
