// The public API, as the person who is signed in: the browser sends the session's cookie, we add the CSRF token.

import { data } from "./page.js";

/** An answer other than success: RFC 9457's problem. `status` is 0 when there was no answer. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? String(status));
    this.status = status;
    this.problem = problem;
  }
}

let csrfToken = data.csrf_token;

export function remember(session) {
  csrfToken = session.csrf_token;
}

/** Leave for the sign-in page, which brings the person back here. */
export function leave(reason) {
  const here = location.pathname + location.search;
  location.assign(`/console/sign-in?next=${encodeURIComponent(here)}&reason=${reason}`);
}

/** The response of one request, whatever it says. Throws `Refused` without an answer. */
async function ask(method, path, { body, headers = {}, signal } = {}) {
  const isText = typeof body === "string";
  const sent = body === undefined ? {} : { "Content-Type": isText ? "text/csv; charset=utf-8" : "application/json" };
  try {
    return await fetch(path, {
      method,
      signal,
      headers: { Accept: "application/json", ...sent, ...(method === "GET" ? {} : { "X-CSRF-Token": csrfToken }), ...headers },
      body: body === undefined || isText ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, { title: "no answer" });
  }
}

/** The response of one request. Throws `Refused` for a problem; a session that is over leads to the sign-in page. */
export async function request(method, path, options) {
  let response = await ask(method, path, options);
  if (response.status === 403 && method !== "GET") {
    const session = await ask("GET", "/console/session");
    if (session.ok) {
      remember(await session.json()); // another of our pages has renewed it
      response = await ask(method, path, options);
    }
  }
  if (response.status === 401) leave("ended");
  if (!response.ok) {
    throw new Refused(response.status, await response.json().catch(() => ({ title: response.statusText })));
  }
  return response;
}

/** The JSON of an answer, or null for none. */
export async function api(method, path, options) {
  const response = await request(method, path, options);
  return response.status === 204 ? null : response.json();
}

/** A key that makes a repeated request the same request. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join("");
}

/** `/v1/practices/{the practice}/…`. */
export const practicePath = (rest) => `/v1/practices/${encodeURIComponent(data.practice_id)}/${rest}`;
