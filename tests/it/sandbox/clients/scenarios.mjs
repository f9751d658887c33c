// Signs in with MSAL for Node and runs whole scenarios: a report page by page, a new tenant, an order by a cart, devices, consent, and the end.
import { createHash, randomBytes } from "node:crypto";
import { ConfidentialClientApplication } from "@azure/msal-node";

const base = process.argv[2];
const host = new URL(base).host;
const tenant = "5a5db0c5-0000-4000-8000-000000000001";
const app = new ConfidentialClientApplication({
  auth: {
    clientId: "11111111-2222-4333-8444-555555555555",
    clientSecret: "secret",
    authority: `${base}/${tenant}`,
    knownAuthorities: [host],
  },
});

async function get(token, path, headers = {}) {
  const answer = await fetch(base + path, { headers: { authorization: `Bearer ${token}`, ...headers } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function send(token, method, path, body, headers = {}) {
  const answer = await fetch(base + path, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  const text = (await answer.text()).replace(/^\uFEFF/, "");
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return { location: answer.headers.get("location"), body: text ? JSON.parse(text) : undefined };
}

async function customers(token) {
  const all = [];
  let page = await get(token, "/v1/customers?size=4");
  for (;;) {
    all.push(...page.items);
    const next = page.links.next;
    if (!next) return all;
    const headers = Object.fromEntries(next.headers.map(({ key, value }) => [key, value]));
    // With two slashes, as many do it.
    page = await get(token, "/v1/" + next.uri, headers);
  }
}

const scopes = ["https://api.partnercenter.microsoft.com/.default"];
const application = await app.acquireTokenByClientCredential({ scopes });
console.log("application", (await customers(application.accessToken)).length);

const redirectUri = "http://localhost:9/back";
const codeVerifier = randomBytes(48).toString("base64url");
const codeChallenge = createHash("sha256").update(codeVerifier).digest("base64url");
const there = await app.getAuthCodeUrl({ scopes, redirectUri, codeChallenge, codeChallengeMethod: "S256" });
const sent = await fetch(there, { redirect: "manual" });
const code = new URL(sent.headers.get("location")).searchParams.get("code");
const user = await app.acquireTokenByCode({ scopes, redirectUri, code, codeVerifier });
const all = await customers(user.accessToken);
console.log("user", all.length);

for (const { id } of all) {
  const { items } = await get(user.accessToken, `/v1/customers/${id}/subscriptions`);
  for (const { orderId } of items) await get(user.accessToken, `/v1/customers/${id}/orders/${orderId}`);
}
console.log("subscriptions joined with orders");

const token = user.accessToken;
const domain = `fabrikam${randomBytes(4).toString("hex")}.onmicrosoft.com`;
const address = {
  firstName: "Ada", lastName: "Berg", addressLine1: "1 Main Street", city: "Seattle", state: "WA", postalCode: "98101",
  country: "US", phoneNumber: "4255550100",
};
const free = await fetch(`${base}/v1/domains/${domain}`, { method: "HEAD", headers: { authorization: `Bearer ${token}` } });
if (free.status !== 404) throw new Error(`${domain}: ${free.status}`);
await send(token, "POST", "/v1/validations/address", address);
const made = await send(token, "POST", "/v1/customers", {
  companyProfile: { domain, companyName: "Fabrikam" },
  billingProfile: { email: "ada@example.com", culture: "en-US", language: "en", companyName: "Fabrikam", defaultAddress: address },
});
const customer = `/v1/customers/${made.body.id}`;
const signed = { primaryContact: { firstName: "Ada", lastName: "Berg", email: "ada@example.com" }, dateAgreed: "2026-01-01T00:00:00Z" };
const [template] = (await get(token, "/v1/agreements?agreementType=MicrosoftCustomerAgreement")).items;
await send(token, "POST", `${customer}/agreements`, { ...signed, templateId: template.templateId, type: "MicrosoftCustomerAgreement" });
console.log("tenant done");

const [product] = (await get(token, `${customer}/products?targetView=OnlineServices&country=US`)).items;
const [sku] = (await get(token, `${customer}/products/${product.id}/skus`)).items;
const [sold] = (await get(token, `${customer}/products/${product.id}/skus/${sku.id}/availabilities`)).items;
const term = sold.terms[0];
const item = { id: 0, catalogItemId: sold.catalogItemId, quantity: 2, billingCycle: term.billingCycle ?? "monthly", termDuration: term.duration };
const cart = (await send(token, "POST", `${customer}/carts`, { lineItems: [item] })).body;
item.quantity = 3;
await send(token, "PUT", `${customer}/carts/${cart.id}`, { ...cart, lineItems: [item] });
const { orders } = (await send(token, "POST", `${customer}/carts/${cart.id}/checkout`)).body;
const line = orders[0].lineItems[0];
const subscription = await get(token, `${customer}/subscriptions/${line.subscriptionId}`);
if (subscription.quantity !== 3 || subscription.orderId !== orders[0].id || subscription.termDuration !== term.duration)
  throw new Error(JSON.stringify(subscription));
console.log("order done");

const batch = { batchId: "autopilot", devices: [{ serialNumber: "S1", productKey: "00329", hardwareHash: "hash" }] };
const taken = await send(token, "POST", `${customer}/DeviceBatches`, batch);
const status = await get(token, `/v1/${taken.location}`);
const { items: devices } = await get(token, `${customer}/deviceBatches/autopilot/devices`);
if (status.status !== "finished" || devices.length !== 1) throw new Error(JSON.stringify([status, devices]));
console.log("autopilot done");

const grants = [{ enterpriseApplicationId: "00000003-0000-0000-c000-000000000000", scope: "User.Read.All" }];
const consent = { applicationId: "22222222-3333-4444-8555-666666666666", applicationGrants: grants };
await send(token, "POST", `${customer}/applicationconsents`, consent);
await send(token, "DELETE", `${customer}/applicationconsents/${consent.applicationId}`);
console.log("consent done");

await send(token, "PATCH", `${customer}/subscriptions/${subscription.id}`, { ...subscription, status: "suspended" });
await send(token, "PATCH", customer, { relationshipToPartner: "none" });
const gone = await fetch(base + customer, { headers: { authorization: `Bearer ${token}` } });
if (gone.status !== 403) throw new Error(`after the end: ${gone.status}`);
console.log("offboarding done");
