"""Runs scim2-tester against the SCIM service at the URL that is the argument, with
the bearer token in BEHOV_TOKEN, and prints one JSON object a check.

BEHOV_EXTENSIONS=no leaves out the extensions that are not the RFC's: their values
are the service's to restrict, and scim2-tester sends what no restriction lets
through.
"""

import json
import os
import sys

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import ResourceType, Schema, ScimProvider
from scim2_tester import check_server

http = Client(base_url=sys.argv[1], headers={"Authorization": "Bearer " + os.environ["BEHOV_TOKEN"]})
client = SyncSCIMClient(http)
if os.environ.get("BEHOV_EXTENSIONS") == "no":
    standard = "urn:ietf:"
    types = http.get("ResourceTypes").json()["Resources"]
    for t in types:
        t["schemaExtensions"] = [e for e in t["schemaExtensions"] if e["schema"].startswith(standard)]
    schemas = [s for s in http.get("Schemas").json()["Resources"] if s["id"].startswith(standard)]
    client.provider = ScimProvider.from_discovery(
        [Schema.model_validate(s) for s in schemas], [ResourceType.model_validate(t) for t in types], None, client.provider.policy
    )
for result in check_server(client):
    print(json.dumps({"status": result.status.name, "title": result.title, "reason": str(result.reason)}))
