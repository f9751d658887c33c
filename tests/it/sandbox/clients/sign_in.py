"""Signs in with MSAL in every way there is, and asks for the customers with what came of it."""
import json
import sys
from urllib.parse import parse_qs, urlparse

import msal
import requests

base, tenant, authority = sys.argv[1:]
session = requests.Session()
session.verify = authority
CLIENT = "11111111-2222-4333-8444-555555555555"
APPLICATION = ["https://api.partnercenter.microsoft.com/.default"]
USER = ["https://api.partnercenter.microsoft.com/user_impersonation"]


def customers(got):
    assert "access_token" in got, got
    answer = session.get(base + "/v1/customers", headers={"Authorization": "Bearer " + got["access_token"]})
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content.decode("utf-8-sig"))["totalCount"]


def known(path):
    return {"authority": f"{base}/{path}", "instance_discovery": False, "verify": authority}


app = msal.ConfidentialClientApplication(CLIENT, client_credential="secret", **known(tenant))
print("application", customers(app.acquire_token_for_client(APPLICATION)))

app = msal.ConfidentialClientApplication(CLIENT, client_credential="secret", **known("organizations"))
flow = app.initiate_auth_code_flow(USER, redirect_uri="http://localhost:9/back")
sent = session.get(flow["auth_uri"], allow_redirects=False)
query = parse_qs(urlparse(sent.headers["location"]).query)
got = app.acquire_token_by_auth_code_flow(flow, {name: values[0] for name, values in query.items()})
print("code", customers(got))
renewed = app.acquire_token_silent(USER, account=app.get_accounts()[0], force_refresh=True)
assert renewed["access_token"] != got["access_token"]
print("renewed", customers(renewed))

app = msal.PublicClientApplication(CLIENT, **known("common"))
flow = app.initiate_device_flow(USER)
entered = session.post(flow["verification_uri"], data={"code": flow["user_code"]})
assert entered.status_code == 200, entered.text
print("device", customers(app.acquire_token_by_device_flow(flow)))
