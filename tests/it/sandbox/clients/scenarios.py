"""Whole scenarios with a client that was generated from Microsoft's description of the API."""
import json
import logging
import sys
import uuid

import requests
from microsoft.store.partnercenterservices import MicrosoftPartnerStoreApis
from microsoft.store.partnercenterservices import models as m
from msrest.authentication import BasicTokenAuthentication

base, authority = sys.argv[1:]
logging.disable(logging.CRITICAL)
session = requests.Session()
session.verify = authority
form = {"grant_type": "refresh_token", "refresh_token": "any", "client_id": "any"}
token = session.post(base + "/common/oauth2/token", data=form).json()["access_token"]
client = MicrosoftPartnerStoreApis(BasicTokenAuthentication({"access_token": token}), base)
client.config.connection.verify = authority
get, post = client.getvversioncustomerscustomer, client.postvversioncustomerscustomer
patch, delete = client.patchvversioncustomerscustomer, client.deletevversioncustomerscustomer


def ok(answer, *statuses):
    """The answer, once its status is one of those that were expected."""
    assert answer.response.status_code in (statuses or (200, 201)), (answer.response.status_code, answer.response.text)
    return answer.output


def model(name, **members):
    return getattr(m, "MicrosoftPartnerSdkContractsV1" + name)(**members)


def send(method, path, **more):
    answer = session.request(method, base + path, headers={"Authorization": "Bearer " + token}, **more)
    assert answer.status_code < 300, (path, answer.status_code, answer.text)
    return answer


def call(method, path, **more):
    return json.loads(send(method, path, **more).content.decode("utf-8-sig"))


# A new tenant, as tools make one: is the name free, who are we, is the address good.
domain = "contoso" + uuid.uuid4().hex[:8] + ".onmicrosoft.com"
assert not client.headvversiondomainsdomain(domain, "1", raw=True).output
assert ok(client.getvversionprofilesorganization("1", raw=True)).company_name
address = model("Address", country="US", city="Seattle", state="WA", address_line1="1 Main Street", postal_code="98101",
                first_name="Ada", last_name="Berg", phone_number="4255550100")
checked = client.postvversionvalidationsaddress(address, "1", raw=True)
assert checked.response.status_code == 200
# The description has passwords as objects, which they are not, so what tells one is asked for without the client.
customer = call("POST", "/v1/customers", json={
    "CompanyProfile": {"Domain": domain, "CompanyName": "Contoso"},
    "BillingProfile": {"Email": "ada@example.com", "Culture": "en-US", "Language": "en", "CompanyName": "Contoso",
                       "DefaultAddress": {"Country": "US", "City": "Seattle", "State": "WA", "PostalCode": "98101",
                                          "AddressLine1": "1 Main Street", "FirstName": "Ada", "LastName": "Berg"}}})["id"]
assert ok(get.id(customer, "1", raw=True)).company_profile.domain == domain
print("tenant done")

# People, with a name and a password changed at once.
password = {"password": "Secret-word-77", "forceChangePassword": True}
user = call("POST", f"/v1/customers/{customer}/users", json={
    "userPrincipalName": "ken@" + domain, "displayName": "Ken", "usageLocation": "US", "passwordProfile": password})["id"]
whole = call("GET", f"/v1/customers/{customer}/users/{user}")
whole.update(displayName="Kenneth", passwordProfile={"password": "Other-word-88", "forceChangePassword": False})
call("PATCH", f"/v1/customers/{customer}/users/{user}", json=whole)
assert ok(get.id2(customer, user, "1", raw=True)).display_name == "Kenneth"
listed = ok(get.value6(customer, "1", sort_optionsort_field="DisplayName", sort_optionsort_direction="Ascending", raw=True))
assert [one.display_name for one in listed.items] == ["Contoso", "Kenneth"], listed.items
print("people done")

# An order, and what came of it.
order = ok(post.idorders(customer, model("Order", reference_customer_id=customer, billing_cycle="monthly", line_items=[
    model("OrderLineItem", line_item_number=0, offer_id="SBX000000001:0001:SBX00000000A", quantity=3)]), "1", raw=True), 201)
line = order.line_items[0]
subscription = ok(get.id6(customer, line.subscription_id, "1", raw=True))
assert (subscription.quantity, subscription.order_id) == (3, order.id)
assert ok(get.id5(customer, order.id, "1", raw=True)).status == "completed"
for empty in (get.idaddons, get.idconversions, get.idupgrades):
    assert ok(empty(customer, line.subscription_id, "1", raw=True)).total_count == 0
licence = {"licensesToAssign": [{"skuId": "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"}]}
call("POST", f"/v1/customers/{customer}/users/{user}/licenseupdates", json=licence)
skus = ok(get.value4(customer, "1", raw=True)).items
assert (skus[0].consumed_units, skus[0].service_plans[0].service_name) == (1, "EXCHANGE_S_STANDARD")
print("order done")

# Devices: list first, then make a batch or add to it, and look where the answer says.
assert call("GET", f"/v1/customers/{customer}/deviceBatches")["items"] == []
batch = {"batchId": "autopilot", "devices": [{"serialNumber": "S1", "productKey": "00329", "hardwareHash": "hash"}]}
taken = send("POST", f"/v1/customers/{customer}/DeviceBatches", json=batch).headers["Location"]
assert ok(get.id3(customer, taken.rsplit("/", 1)[1], "1", raw=True)).status == "finished"
more = send("POST", f"/v1/customers/{customer}/DeviceBatches/autopilot/devices", json=[{"serialNumber": "S2"}])
assert call("GET", "/v1/" + more.headers["Location"])["status"] == "finished"
print("autopilot done")

# Consent, taken back first as tools do.
application = str(uuid.uuid4())
session.delete(f"{base}/v1/customers/{customer}/applicationconsents/{application}", headers={"Authorization": "Bearer " + token})
grants = [{"enterpriseApplicationId": "00000003-0000-0000-c000-000000000000", "scope": "User.Read.All"}]
call("POST", f"/v1/customers/{customer}/applicationconsents", json={"applicationId": application, "applicationGrants": grants})
print("consent done")

# A report over all customers: subscriptions, orders, seats.
everybody = ok(client.getvversioncustomersfilterfilter.value("1", size=500, raw=True)).items
for one in everybody:
    for held in ok(get.value9(one.id, "1", raw=True)).items:
        assert ok(get.id5(one.id, held.order_id, "1", raw=True)).id == held.order_id
    assert ok(get.value4(one.id, "1", raw=True)).items is not None
    ok(get.idmanagedservices(one.id, "1", raw=True))
assert ok(client.getvversioncustomersusagerecords("1", raw=True)).items
print("report done")

# Offboarding: what is active is suspended, and then the relationship ends.
subscription.status = "suspended"
ok(patch.id4(customer, subscription.id, subscription, "1", raw=True))
ok(patch.id(customer, model("Customer", relationship_to_partner="none"), "1", raw=True))
assert get.id(customer, "1", raw=True).response.status_code == 403
print("offboarding done")
