// A tokenizer that knows enough of Rego to colour it.
import { StreamLanguage } from "@codemirror/language";

const keywords = new Set("package import as default else if in contains some every not with".split(" "));
const atoms = new Set(["true", "false", "null"]);

export const rego = StreamLanguage.define({
  name: "rego",
  startState: () => ({ raw: false }),
  token(stream, state) {
    if (state.raw) {
      state.raw = !stream.skipTo("`");
      if (state.raw) stream.skipToEnd(); else stream.next();
      return "string";
    }
    if (stream.eatSpace()) return null;
    if (stream.match(/^#.*/)) return "comment";
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/)) return "string";
    if (stream.eat("`")) { state.raw = true; return "string"; }
    if (stream.match(/^-?\d+(?:\.\d+)?/)) return "number";
    const word = stream.match(/^[A-Za-z_]\w*/);
    if (word) {
      if (keywords.has(word[0])) return "keyword";
      if (atoms.has(word[0])) return "atom";
      return stream.peek() === "(" ? "variableName.function" : "variableName";
    }
    stream.next();
    return "operator";
  },
  languageData: { commentTokens: { line: "#" } },
});
