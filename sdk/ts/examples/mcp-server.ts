// An MCP server over stdio whose tools run only on ALLOW. Run it with the agent's environment:
// node dist/examples/mcp-server.js
import { createInterface } from "node:readline";
import { Client, OpenLeashError } from "../src/index.js";

export interface Tool {
  name: string;
  description: string;
  /** The action type that the policy knows. */
  action: string;
  inputSchema: object;
  run(args: Record<string, unknown>, proof?: string): string | Promise<string>;
}

export const order: Tool = {
  name: "place_order", description: "Order something from a shop.", action: "purchase.order",
  inputSchema: {
    type: "object", required: ["amount", "currency"], properties: { amount: { type: "number" }, currency: { type: "string" } },
  },
  run: (args) => `ordered for ${String(args["amount"])} ${String(args["currency"])}`,
};

interface Request { id?: number | string; method: string; params?: Record<string, any> }

/** Answers JSON-RPC requests, one a line, until the input ends. */
export async function serve(client: Client, tools: Tool[], lines: AsyncIterable<string> | Iterable<string>, write: (line: string) => void): Promise<void> {
  for await (const line of lines) {
    let request: Partial<Request> = {};
    let answer: object;
    try {
      request = JSON.parse(line) as Request;
      if (request.id === undefined) continue; // a notification
      answer = await reply(client, tools, request as Request);
    } catch {
      answer = { error: { code: -32600, message: "invalid request" } };
    }
    write(JSON.stringify({ jsonrpc: "2.0", id: request?.id ?? null, ...answer }));
  }
}

async function reply(client: Client, tools: Tool[], { method, params = {} }: Request): Promise<object> {
  const tool = tools.find((t) => t.name === params["name"]);
  switch (true) {
    case method === "initialize":
      return { result: {
        protocolVersion: params["protocolVersion"] ?? "2025-06-18", capabilities: { tools: {} }, serverInfo: { name: "guarded", version: "1" },
      } };
    case method === "ping":
      return { result: {} };
    case method === "tools/list":
      return { result: { tools: tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })) } };
    case method === "tools/call" && tool !== undefined:
      return { result: await call(client, tool!, params["arguments"] ?? {}) };
  }
  return { error: { code: -32601, message: "no such method or tool" } };
}

async function call(client: Client, tool: Tool, args: Record<string, unknown>): Promise<object> {
  const content = (text: string) => [{ type: "text", text }];
  try {
    return { content: content(await client.guard({ action: tool.action, context: args }, (d) => tool.run(args, d.proofToken))) };
  } catch (error) {
    if (!(error instanceof OpenLeashError)) throw error;
    return { content: content(`not done: ${error.message}`), isError: true };
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  await serve(Client.fromEnv(), [order], createInterface({ input: process.stdin }), console.log);
}
