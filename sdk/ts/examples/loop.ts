// A plain agent loop: what the model wants to do is asked before it is done.
import { ApprovalError, type Client, OpenLeashError } from "../src/index.js";

export interface Step { action: string; context: object }

/** Does each step that is allowed; tells the model of each that is not, and goes on. */
export async function run(client: Client, steps: Step[], act: (step: Step, proof?: string) => Promise<string>): Promise<string[]> {
  const told: string[] = [];
  for (const step of steps) {
    try {
      const decision = await client.authorizeAndWait(step, { justification: "a step of the plan" });
      told.push(`${step.action}: ${decision.allowed ? await act(step, decision.proofToken) : `not allowed: ${decision.reason}`}`);
    } catch (error) {
      if (!(error instanceof OpenLeashError)) throw error;
      told.push(`${step.action}: ${error.message}`);
      // Without an answer there is no yes, and the next step would fare no better.
      if (!(error instanceof ApprovalError)) break;
    }
  }
  return told;
}
