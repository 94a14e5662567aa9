// A tool as LangChain has them (name, description, schema, invoke) that asks before it runs. With
// LangChain installed, `tool(guarded.invoke, { name, description, schema })` takes it as it is.
import { type Client, NotAllowedError, OpenLeashError } from "../src/index.js";

export interface Tool<A extends object> {
  name: string;
  description: string;
  schema: object;
  invoke(args: A): Promise<string>;
}

/**
 * Wraps a tool so that it runs only on ALLOW; its arguments are the context of the action. When it is
 * not allowed it returns why, so that the model can choose something else.
 */
export function guarded<A extends object>(client: Client, action: string, tool: Tool<A>): Tool<A> {
  return {
    ...tool,
    invoke: async (args) => {
      try {
        return await client.guard({ action, context: args }, () => tool.invoke(args));
      } catch (error) {
        if (error instanceof NotAllowedError && error.decision.needsApproval) {
          return `${tool.name} was not run: your owner must approve it first (${error.decision.reason})`;
        }
        if (error instanceof OpenLeashError) return `${tool.name} was not run: ${error.message}`;
        throw error;
      }
    },
  };
}
