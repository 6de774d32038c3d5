// REST, typed by the service's OpenAPI document. A token, where one is asked for, lives as long as
// the tab; sockets open with a ticket, since a page can send no header with them.
import type { paths, Problem } from "./wire";

type Method = "get" | "post" | "put" | "delete";
type Operation<P extends keyof paths, M extends Method> = NonNullable<paths[P][M]>;
type Content<R> = R extends { content: { "application/json": infer T } } ? T : undefined;
type Answer<O> = O extends { responses: infer R }
  ? R extends { 200: infer A }
    ? Content<A>
    : R extends { 201: infer A }
      ? Content<A>
      : R extends { 202: infer A }
        ? Content<A>
        : undefined
  : never;
type Body<O> = O extends { requestBody: { content: { "application/json": infer B } } } ? B : never;
type Query<O> = O extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never;

export interface Options<O> {
  /** Values for the {names} in the path. */
  path?: Record<string, string>;
  query?: Query<O>;
  body?: Body<O>;
  signal?: AbortSignal;
}

/** An answer that is a problem document; `problem` is null where none came. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem | null,
  ) {
    super(problem?.detail ?? `the service answered ${status}`);
  }
}

/** The service was not reached at all. */
export class UnreachableError extends Error {
  constructor() {
    super("the service does not answer");
  }
}

/** Where the service is: the folder of its pages, whatever path a proxy puts them below. */
const SERVICE = new URL(".", location.href);
const TOKEN = "volition-token";
/** Number of further tries of a read that is refused because others read too much. */
const MOST_TRIES = 4;
const TOO_MANY = 429;
const asks = new Set<() => void>();

export function setToken(token: string): void {
  sessionStorage.setItem(TOKEN, token.trim());
}

/** Be told when the service asks for a token that is not there or not valid. */
export function onTokenNeeded(tell: () => void): () => void {
  asks.add(tell);
  return () => asks.delete(tell);
}

export async function call<P extends keyof paths, M extends Method>(
  method: M,
  path: P,
  options: Options<Operation<P, M>> = {},
): Promise<Answer<Operation<P, M>>> {
  const filled = (path as string).replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(options.path?.[name] ?? ""),
  );
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries((options.query ?? {}) as Record<string, unknown>)) {
    if (value !== undefined && value !== null) query.set(key, String(value));
  }
  const headers: Record<string, string> = {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers["Authorization"] = `Bearer ${token}`;
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const request: RequestInit = { method: method.toUpperCase(), headers, cache: "no-store" };
  if (options.body !== undefined) request.body = JSON.stringify(options.body);
  if (options.signal) request.signal = options.signal;
  const response = await fetched(below(query.size ? `${filled}?${query}` : filled), request, method === "get" ? MOST_TRIES : 1);
  const text = await response.text();
  const json: unknown = text ? JSON.parse(text) : undefined;
  if (response.ok) return json as Answer<Operation<P, M>>;
  if (response.status === 401) for (const tell of asks) tell();
  throw new ApiError(response.status, (json as Problem | undefined) ?? null);
}

/** Read a text that the service has, as it is. */
export async function text(path: "/v1/recordings/{id}/report", names: Record<string, string>): Promise<string> {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? ""));
  const token = sessionStorage.getItem(TOKEN);
  const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetched(below(filled), { headers, cache: "no-store" }, MOST_TRIES);
  const said = await response.text();
  if (!response.ok) throw new ApiError(response.status, JSON.parse(said) as Problem);
  return said;
}

async function fetched(url: URL, request: RequestInit, tries: number): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, request);
  } catch (error) {
    if (request.signal?.aborted) throw error;
    throw new UnreachableError();
  }
  if (response.status !== TOO_MANY || tries <= 1) return response;
  const waitS = Number(response.headers.get("Retry-After")) || 1;
  await new Promise((done) => setTimeout(done, 1000 * waitS));
  return fetched(url, request, tries - 1);
}

function below(path: string): URL {
  return new URL(path.replace(/^\//, ""), SERVICE);
}

/** Address of one of the service's sockets, with a fresh ticket. */
export async function socketUrl(path: string, query: Record<string, string>): Promise<string> {
  const { ticket } = await call("post", "/v1/tickets");
  const parameters = new URLSearchParams({ ...query, ticket });
  const url = below(`${path}?${parameters}`);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
