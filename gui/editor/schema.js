// Completion from the JSON Schema of the policy language: which keys and words fit at a place, found by
// walking down the schema along the indentation.

// resolve follows references and joins alternatives into one list of plain schemas.
function resolve(root, schema, depth = 0) {
  if (!schema || depth > 8) return [];
  if (schema.$ref) {
    const at = schema.$ref.replace(/^#\//, "").split("/").reduce((s, k) => s?.[k], root);
    return resolve(root, at, depth + 1);
  }
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return [schema, ...parts.flatMap((s) => resolve(root, s, depth + 1))];
}

const step = (root, schemas, key) => schemas.flatMap((s) =>
  key === "[]" ? resolve(root, s.items) : resolve(root, s.properties?.[key]));

// path lists the keys above a line, outermost first; "[]" stands for a list.
export function path(doc, lineNumber, column) {
  const out = [];
  let indent = column;
  for (let n = lineNumber - 1; n >= 1 && indent > 0; n--) {
    const text = doc.line(n).text;
    const m = /^(\s*)((?:- +)*)([A-Za-z_]+)\s*:/.exec(text);
    if (!m) continue;
    const at = m[1].length + m[2].length;
    if (at < indent) {
      out.unshift(m[3]);
      indent = at;
      for (let i = m[2].split("- ").length - 1; i > 0; i--) { out.unshift("[]"); indent = m[1].length; }
    }
  }
  return out;
}

const words = (schemas) => schemas.flatMap((s) => [...(s.enum ?? []), ...(s.const !== undefined ? [s.const] : []), ...(s.type === "boolean" ? [true, false] : [])]);

// complete returns a CodeMirror completion source.
export function complete(schema) {
  return (context) => {
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    const key = /^(\s*)((?:- +)*)([A-Za-z_]*)$/.exec(before);
    const value = /^(\s*)((?:- +)*)([A-Za-z_]+)\s*:\s+(?:\[.*[,\[]\s*)?"?([A-Za-z_]*)$/.exec(before);
    if (!key && !value) return null;
    const found = key ?? value;
    const column = found[1].length + found[2].length;
    const above = path(context.state.doc, line.number, found[2] ? found[1].length + 1 : column);
    let at = above.reduce((s, k) => step(schema, s, k), resolve(schema, schema));
    if (found[2]) at = step(schema, at, "[]");
    const seen = new Set();
    const once = (o) => !seen.has(o.label) && seen.add(o.label);
    if (key) {
      if (!context.explicit && key[3] === "") return null;
      const options = at.flatMap((s) => Object.entries(s.properties ?? {}).map(([label, p]) =>
        ({ label, type: "property", apply: label + ": ", info: resolve(schema, p).map((q) => q.description).find(Boolean) }))).filter(once);
      return options.length ? { from: context.pos - key[3].length, options, validFor: /^[A-Za-z_]*$/ } : null;
    }
    const target = step(schema, at, value[3]);
    const options = words([...target, ...step(schema, target, "[]")]).map((w) => ({ label: String(w), type: "enum" })).filter(once);
    return options.length ? { from: context.pos - value[4].length, options, validFor: /^[A-Za-z_]*$/ } : null;
  };
}
