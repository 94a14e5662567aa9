import {
  ClockSkewError, InvalidKeyError, OpenLeashError, RequestError, ResponseError, ServerError, ServerTimeoutError, UnreachableError,
} from "./error.js";

/** Where the server is and how patient to be. */
export interface ServerConfig {
  /** Such as http://127.0.0.1:8787. */
  url: string;
  /** For one answer: 10,000. */
  timeoutMs?: number | undefined;
  /** For what may be sent again: 3; 1 never sends twice. */
  attempts?: number | undefined;
  /** In place of the global fetch. */
  fetch?: typeof fetch | undefined;
  /** In place of the system's clock. */
  now?: (() => Date) | undefined;
}

/** One request of the API. */
export interface Call {
  method: "GET" | "POST";
  path: string;
  query?: string;
  body?: string;
  /** Sending it twice does no harm. */
  again?: boolean;
  /** By how many milliseconds the server may hold its answer. */
  patienceMs?: number;
  /** Signs it anew for each attempt. */
  sign?: () => Promise<Record<string, string>>;
}

type Answer = Record<string, unknown>;

const maxAnswer = 1 << 20; // bytes

/** @internal Sends requests to one server. */
export class Transport {
  readonly url: string;
  readonly now: () => Date;
  readonly #timeoutMs: number;
  readonly #attempts: number;
  readonly #fetch: typeof fetch;

  constructor(config: ServerConfig) {
    this.url = String(config.url ?? "").trim().replace(/\/+$/, "");
    if (!/^https?:\/\/[^/]/.test(this.url) || !URL.canParse(this.url)) {
      throw new RequestError(`"${config.url}" is no URL of a server; set OPENLEASH_URL to one such as http://127.0.0.1:8787`);
    }
    this.now = config.now ?? (() => new Date());
    this.#timeoutMs = config.timeoutMs ?? 10_000;
    this.#attempts = config.attempts ?? 3;
    this.#fetch = config.fetch ?? ((...args) => fetch(...args));
  }

  /** Sends a call, again if it may and the failure can pass. The answer is an object that holds the named texts. */
  async do(call: Call, ...needed: string[]): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(call, needed);
      } catch (error) {
        if (!call.again || attempt >= this.#attempts || !passing(error)) throw error;
        const backoff = 100 * 2 ** Math.min(attempt - 1, 5) * (1 + Math.random() / 2);
        await sleep(Math.max(backoff, Math.min(error.retryAfterMs, 5000)));
      }
    }
  }

  async #once(call: Call, needed: string[]): Promise<Answer> {
    const timeoutMs = this.#timeoutMs + (call.patienceMs ?? 0);
    const headers: Record<string, string> = { Accept: "application/json", ...(await call.sign?.()) };
    if (call.body !== undefined) headers["Content-Type"] = "application/json";
    let response: Response;
    let text: string;
    try {
      // A signed request is for one place; a proxy's log-in page is no answer.
      response = await this.#fetch(this.url + call.path + (call.query ? `?${call.query}` : ""), {
        method: call.method, headers, redirect: "manual", signal: AbortSignal.timeout(timeoutMs),
        ...(call.body === undefined ? {} : { body: call.body }),
      });
      text = await read(response);
    } catch (cause) {
      if (cause instanceof OpenLeashError) throw cause;
      if ((cause as Error)?.name === "TimeoutError") {
        throw new ServerTimeoutError(`${this.url} did not answer within ${timeoutMs} ms; nothing may be taken as allowed`, { cause });
      }
      throw new UnreachableError(`${this.url} cannot be reached; is the server started (openleash start), and is OPENLEASH_URL right?`, { cause });
    }
    const answer = parse(text);
    if (!response.ok) throw refused(response, answer, this.now());
    if (!answer || needed.some((name) => typeof answer[name] !== "string" || answer[name] === "")) {
      throw new ResponseError(`the answer of ${this.url} is not that of an OpenLeash server; check the URL`, { status: response.status });
    }
    return answer;
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Reports whether a failure may pass by itself. */
function passing(error: unknown): error is OpenLeashError {
  return error instanceof UnreachableError || error instanceof ServerTimeoutError || error instanceof ServerError ||
    (error instanceof OpenLeashError && error.status === 429);
}

async function read(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if ((size += value.length) > maxAnswer) {
      await reader.cancel();
      throw new ResponseError("the answer is larger than 1 MiB; check the URL", { status: response.status });
    }
    text += decoder.decode(value, { stream: true });
  }
  return text + decoder.decode();
}

function parse(text: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Answer) : undefined;
  } catch {
    return undefined;
  }
}

/** Makes an error of an answer that is not 2xx. It may be a page of some proxy. */
function refused(response: Response, answer: Answer | undefined, now: Date): OpenLeashError {
  const told = (answer?.["error"] ?? {}) as { code?: unknown; message?: unknown };
  const code = typeof told.code === "string" ? told.code : "";
  const message = typeof told.message === "string" && told.message ? told.message : `the server answers with HTTP status ${response.status}`;
  const options = { code, status: response.status };
  if (response.status >= 500) return new ServerError(`${message}; look at the server's log and at GET /v1/health`, options);
  if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
    return new ResponseError(`the server redirects to ${response.headers.get("Location") ?? "another place"}; set the URL to where the API is`, options);
  }
  if (code === "TIMESTAMP_SKEW") return new ClockSkewError(skew(response.headers.get("Date"), now), options);
  if (code === "INVALID_SIGNATURE" || code === "INVALID_KEY") {
    return new InvalidKeyError(`${message}; check that the private key belongs to the agent id`, options);
  }
  const error = new RequestError(message, options);
  if (response.status === 429) error.retryAfterMs = Number(response.headers.get("Retry-After") ?? 0) * 1000 || 0;
  return error;
}

function skew(date: string | null, now: Date): string {
  const seconds = Math.round((now.getTime() - Date.parse(date ?? "")) / 1000);
  if (Number.isNaN(seconds)) return "the clocks differ too much; set this machine's clock";
  return `this machine's clock is ${Math.abs(seconds)} s ${seconds < 0 ? "behind" : "ahead of"} the server's; set it`;
}
