"""What EC2 asks for what a bake uses: list prices, for an estimate.

Instances: on-demand, Linux, shared tenancy, of the AWS price list as Karpenter's generated table has it
(aws/karpenter-provider-aws, pkg/providers/pricing/zz_generated.pricing_aws.go, commit 031e72b6). Volumes and snapshots:
the descriptions of the same price list, "$0.08 per GB-month of General Purpose (gp3) provisioned storage - US East (N.
Virginia)" and "$0.05 per GB-Month of snapshot data stored - US East (Northern Virginia)".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REGION = "us-east-1"
#: When the table that the prices are of was made.
DATE = "2026-01-19"
#: Of a month, as the price list counts it in what it asks by the GB-month; AWS counts 30 days.
HOURS_OF_A_MONTH = 720

#: US dollars for a gigabyte of a gp3 volume, and of a snapshot, for a month.
VOLUME = 0.08
SNAPSHOT = 0.05

#: US dollars an hour: what our recipes are built on, and what images for accelerators are verified on.
INSTANCES: Mapping[str, float] = MappingProxyType(
    {
        "m6i.4xlarge": 0.768,
        "m7i.4xlarge": 0.8064,
        "m6a.4xlarge": 0.6912,
        "m6g.4xlarge": 0.616,
        "m7g.4xlarge": 0.6528,
        "m8g.4xlarge": 0.71808,
        "m6i.large": 0.096,
        "m7g.large": 0.0816,
        "g4dn.xlarge": 0.526,
        "g5.xlarge": 1.006,
        "g6.xlarge": 0.8048,
        "g6e.xlarge": 1.861,
        "inf2.xlarge": 0.7582,
        "p4d.24xlarge": 21.957642,
        "p4de.24xlarge": 27.44705,
        "p5.4xlarge": 6.88,
        "p5.48xlarge": 55.04,
        "p5en.48xlarge": 63.296,
        "p6-b200.48xlarge": 113.9328,
        "trn1.2xlarge": 1.34375,
        "trn1.32xlarge": 21.5,
        "trn1n.32xlarge": 24.78,
    }
)
