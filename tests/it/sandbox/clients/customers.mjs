// Signs in with MSAL for Node, walks through the customers page by page, and joins their subscriptions with orders.
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
