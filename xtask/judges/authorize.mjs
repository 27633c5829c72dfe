// Adds the bearer token to every request this process sends to the server under trial.
// Loaded with `node --import`; it hooks the two clients a suite may use, undici and node:http,
// and leaves a request that carries its own Authorization header alone.

import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";

const authorization = `Bearer ${readFileSync(process.env.JUDGE_TOKEN_FILE, "utf8").trim()}`;
const endpoint = new URL(process.env.JUDGE_ENDPOINT);

subscribe("undici:request:create", ({ request }) => {
  const target = new URL(request.origin);
  if (target.port === endpoint.port && !carriesAuthorization(request.headers)) {
    request.addHeader("authorization", authorization);
  }
});

subscribe("http.client.request.created", ({ request }) => {
  const port = String(request.getHeader("host") ?? request.host).split(":")[1];
  if (port === endpoint.port && !request.hasHeader("authorization")) {
    request.setHeader("authorization", authorization);
  }
});

/** undici keeps headers as a flat list of names and values, or as raw header text. */
function carriesAuthorization(headers) {
  const names = Array.isArray(headers) ? headers.filter((_, index) => index % 2 === 0) : [headers];
  return names.some((name) => /^authorization(:|$)/im.test(String(name ?? "")));
}
