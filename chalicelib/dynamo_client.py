"""A client of DynamoDB that hands attribute values through as they are on the wire, `{"S": …}`.

botocore knows an attribute value as a structure of ten members, and looks for each of them in every value it reads or
writes: a third of what a delivery costs. Nobody here keeps binary values, the only ones that need translating.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def dynamodb_client(config: Config) -> DynamoDBClient:
    """In the region and with the credentials of the environment."""
    core = botocore.session.get_session()
    # The loader keeps what it has read; this is the very question that the client will ask it.
    model = core.get_component("data_loader").load_service_model("dynamodb", "service-2", api_version=None)
    model["shapes"]["AttributeValue"]["document"] = True
    for operation in model["operations"].values():
        operation.pop("operationContextParams", None)  # finds accounts in ARNs; our tables go by name
    return boto3.Session(botocore_session=core).client("dynamodb", config=config)
