"""Profiles: mergeable counts of what a model saw and did in one window, in bins fixed by its training data.

A `Schema` holds the bins of one model version and the reference, which is the profile of its training data. A
`Profile` counts rows in those bins; profiles of one schema add up exactly, in any order. See
docs/reference/profiles.md.
"""

from edgewright.contract.profile.building import build_schema
from edgewright.contract.profile.counting import Profile, merge_payloads
from edgewright.contract.profile.features import Feature, FeatureKind, Flaw, Measure, Tap, features
from edgewright.contract.profile.measures.embeddings import SUMS, UNIT, Projection
from edgewright.contract.profile.noise import add_noise, noise_variance
from edgewright.contract.profile.scales import SCALES, Scale
from edgewright.contract.profile.schema import FeatureBins, Schema, decode_schema, encode_schema

__all__ = [
    "SCALES",
    "SUMS",
    "UNIT",
    "Feature",
    "FeatureBins",
    "FeatureKind",
    "Flaw",
    "Measure",
    "Profile",
    "Projection",
    "Scale",
    "Schema",
    "Tap",
    "add_noise",
    "build_schema",
    "decode_schema",
    "encode_schema",
    "features",
    "merge_payloads",
    "noise_variance",
]
