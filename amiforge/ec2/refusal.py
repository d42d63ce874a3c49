"""What a failed AWS call means: its code and message as one of our errors, and which kind of trouble it is."""

from __future__ import annotations

import re
from typing import Literal

from amiforge.errors import AwsRefused

Kind = Literal["capacity", "quota", "throttle", "link", "eventual", "credentials", "permanent"]

# Codes from the EC2 API reference, "Error codes for the Amazon EC2 API".
_KINDS: dict[Kind, frozenset[str]] = {
    "capacity": frozenset(
        {
            "InsufficientInstanceCapacity",
            "InsufficientHostCapacity",
            "InsufficientReservedInstanceCapacity",
            "InsufficientCapacityOnOutpost",
            "InsufficientFreeAddressesInSubnet",
            "InsufficientVolumeCapacity",
            "InsufficientAddressCapacity",
            "ReservationCapacityExceeded",
            "SpotMaxPriceTooLow",
            "UnfulfillableCapacity",
            # With RunInstances: the zone does not have the type.
            "Unsupported",
        }
    ),
    "quota": frozenset(
        {
            "VcpuLimitExceeded",
            "InstanceLimitExceeded",
            "MaxSpotInstanceCountExceeded",
            "VolumeLimitExceeded",
            "MaxIOPSLimitExceeded",
            "PendingVerification",
        }
    ),
    "throttle": frozenset(
        {
            "RequestLimitExceeded",
            "Throttling",
            "ThrottlingException",
            "EC2ThrottledException",
            "SlowDown",
            "RequestThrottled",
            "RequestThrottledException",
            "TooManyRequestsException",
        }
    ),
    "link": frozenset(
        {
            "InternalError",
            "InternalFailure",
            "ServiceUnavailable",
            "Unavailable",
            "500",
            "502",
            "503",
            "504",
            "ConnectionClosedError",
            "ConnectionError",
            "ConnectTimeoutError",
            "EndpointConnectionError",
            "HTTPClientError",
            "IncompleteReadError",
            "ProxyConnectionError",
            "ReadTimeoutError",
            "ResponseStreamingError",
        }
    ),
    # The second row is of botocore itself, before anything is sent.
    "credentials": frozenset(
        {
            *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "AuthFailure"),
            *("UnauthorizedSSOTokenError", "SSOTokenLoadError", "TokenRetrievalError", "CredentialRetrievalError"),
        }
    ),
}

_FIXES = {
    "UnauthorizedOperation": "allow this action in the caller's IAM policy",
    "AccessDenied": "allow this action in the caller's IAM policy",
    "AccessDeniedException": "allow this action in the caller's IAM policy",
    "AuthFailure": "check the credentials, and that this machine's clock is right",
    "ExpiredToken": "get new credentials (`aws sso login`, or assume the role again)",
    "ExpiredTokenException": "get new credentials (`aws sso login`, or assume the role again)",
    "RequestExpired": "get new credentials, and check that this machine's clock is right",
    "InvalidClientTokenId": "the access key id is unknown: check the credentials and the profile",
    "UnrecognizedClientException": "the access key id is unknown: check the credentials and the profile",
    "InvalidAMIID.NotFound": "image ids differ between regions: check --region",
    "InvalidAMIID.Malformed": "image ids look like ami-0123456789abcdef0",
    "InvalidAMIID.Unavailable": "the image was deregistered or has failed: choose another",
    "InvalidSubnetID.NotFound": "check builder.subnets and --region",
    "PendingVerification": "AWS checks the account's first use of this region, for minutes or hours: try later",
    "VolumeLimitExceeded": "delete volumes, or ask for more EBS storage in Service Quotas",
    "MaxIOPSLimitExceeded": "give a lower builder.volume_iops, or ask for more EBS IOPS in Service Quotas",
    "MaxSpotInstanceCountExceeded": "ask for a higher spot quota in Service Quotas, or give other builder.markets",
    "InstanceLimitExceeded": "terminate instances, or ask for a higher quota in Service Quotas",
    "IdempotentParameterMismatch": (
        "EC2 has an instance from this very attempt, launched with other parameters: the run was changed since; "
        "remove what there is with `amiforge gc --run RUN`, and bake anew"
    ),
    "OptInRequired": "accept the image's terms in AWS Marketplace, or enable the region for the account",
    "VcpuLimitExceeded": "ask for a higher vCPU quota in Service Quotas, or give other builder.instance_types",
    "NoCredentialsError": "give credentials: --profile, AWS_PROFILE, AWS_ACCESS_KEY_ID, or a role on this machine",
    "PartialCredentialsError": "give both the access key id and the secret access key",
    "UnauthorizedSSOTokenError": "log in again: `aws sso login`",
    "SSOTokenLoadError": "log in again: `aws sso login`",
    "EndpointConnectionError": "check --region, the network, and the endpoint's address",
    "Client.InternalError": "most often the volume's KMS key: it must be enabled, and the caller allowed to use it",
    "InvalidKMSKey.InvalidState": "check builder.kms_key: it must be enabled, and in this region",
}

_ENCODED = re.compile(r"\s*Encoded authorization failure message: \S+")


def refused(operation: str, code: str, message: str) -> AwsRefused:
    """Give the error for a failed call: what was called, what the service said, and what helps."""
    said = _ENCODED.sub("", message).strip()
    return AwsRefused(f"{operation}: {said}", operation=operation, code=code, fix=_FIXES.get(code, ""))


def advice(said: str) -> str:
    """Give what helps against a code, also one of those with which EC2 ends an instance: `Client.…`, `Server.…`."""
    return _FIXES.get(said) or _FIXES.get(said.partition(".")[2], "")


def code(error: AwsRefused) -> str:
    """Give the service's own code for a refusal, or the name of the error that kept the call from arriving."""
    return error.lines.get("code", "")


def kind(error: AwsRefused) -> Kind:
    """Tell which kind of trouble a refusal is. An unknown code is permanent: asking again would not help.

    `eventual`: something just made is not known everywhere yet.
    """
    found = code(error)
    for name, codes in _KINDS.items():
        if found in codes:
            return name
    instance_profile = "iaminstanceprofile" in error.message.lower().replace(" ", "")
    if found.endswith(".NotFound") or (found == "InvalidParameterValue" and instance_profile):
        return "eventual"
    return "permanent"


def passing(error: AwsRefused) -> bool:
    """Tell whether the same call may well succeed a moment later."""
    return kind(error) in {"throttle", "link"}
