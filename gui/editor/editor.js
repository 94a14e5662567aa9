// <yaml-editor for="id"> turns a textarea into an editor. The textarea stays the truth: it is what the
// form sends, what works without this script, and what keeps the text if anything here fails.
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, lineNumbers, highlightActiveLine, highlightActiveLineGutter, drawSelection } from "@codemirror/view";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { yaml } from "@codemirror/lang-yaml";
import { tags as t } from "@lezer/highlight";
import { rego } from "./rego.js";
import { complete } from "./schema.js";

// Colours are the page's own: custom properties reach into the shadow.
const colours = HighlightStyle.define([
  { tag: [t.propertyName, t.definition(t.propertyName)], color: "var(--accent-text)" },
  { tag: [t.keyword, t.atom, t.bool, t.null], color: "var(--code-word)" },
  { tag: [t.string, t.content], color: "var(--code-string)" },
  { tag: t.number, color: "var(--code-word)" },
  { tag: [t.comment, t.lineComment], color: "var(--faint)", fontStyle: "italic" },
  { tag: [t.operator, t.separator, t.punctuation, t.squareBracket, t.brace], color: "var(--muted)" },
  { tag: t.function(t.variableName), color: "var(--accent-text)" },
]);
const look = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "transparent", fontSize: "inherit" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "-2px" },
  ".cm-scroller": { font: "inherit", minHeight: "26rem", maxHeight: "44rem", overflow: "auto" },
  ".cm-content": { padding: "0.9rem 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 1rem 0 0.5rem" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--faint)", border: "0", paddingLeft: "0.4rem" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--text) 4%, transparent)" },
  ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--accent) 24%, transparent)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-matchingBracket": { backgroundColor: "color-mix(in srgb, var(--accent) 20%, transparent) !important", outline: "none" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", border: "1px solid var(--line)", borderRadius: "8px", boxShadow: "var(--shadow-high)", font: "13px/1.5 var(--sans)", overflow: "hidden" },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "12.5px" },
  ".cm-tooltip-autocomplete > ul > li": { padding: "3px 10px !important" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent) !important", color: "var(--on-accent) !important" },
  ".cm-completionInfo": { padding: "8px 10px !important", maxWidth: "20rem !important" },
  ".cm-diagnostic": { borderLeft: "3px solid var(--red-fill) !important", padding: "6px 10px !important", whiteSpace: "pre-wrap" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--amber-fill) !important" },
  ".cm-lintRange-error": { backgroundImage: "none !important", textDecoration: "underline wavy var(--red-fill)", textUnderlineOffset: "3px" },
  ".cm-lintRange-warning": { backgroundImage: "none !important", textDecoration: "underline wavy var(--amber-fill)", textUnderlineOffset: "3px" },
});

const isRego = (text) => /^(?:\s*(?:#.*)?\n)*\s*package\s/.test(text);

// place is where in the text a problem is: columns count bytes of UTF-8, the editor counts UTF-16.
function place(doc, line, column) {
  const at = doc.line(Math.min(Math.max(line, 1), doc.lines));
  const bytes = new TextEncoder().encode(at.text).slice(0, Math.max(column - 1, 0));
  const from = Math.min(at.from + new TextDecoder().decode(bytes).length, at.to);
  const word = /^[^\s:,\]}]+/.exec(doc.sliceString(from, at.to));
  return { from, to: word ? from + word[0].length : at.to };
}

class YamlEditor extends HTMLElement {
  async connectedCallback() {
    const area = document.getElementById(this.getAttribute("for"));
    const root = this.attachShadow({ mode: "open" });
    let source = null;
    const completion = autocompletion({ override: [(context) => source?.(context) ?? null] });
    this.view = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: area.value,
        extensions: [lineNumbers(), lintGutter(), highlightActiveLine(), highlightActiveLineGutter(), drawSelection(), history(), indentUnit.of("  "),
          indentOnInput(), bracketMatching(), closeBrackets(), completion, isRego(area.value) ? rego : yaml(), syntaxHighlighting(colours), look,
          EditorView.contentAttributes.of({ "aria-label": "Text of the policy", spellcheck: "false", tabindex: "0" }),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap, indentWithTab]),
          EditorView.updateListener.of((u) => {
            if (!u.docChanged) return;
            area.value = u.state.doc.toString();
            area.dispatchEvent(new Event("input", { bubbles: true }));
          })],
      }),
    });
    area.hidden = true;
    document.addEventListener("htmx:afterSwap", () => this.mark());
    document.addEventListener("click", (e) => {
      const jump = e.target.closest("[data-line]");
      if (!jump) return;
      const { from } = place(this.view.state.doc, Number(jump.dataset.line), Number(jump.dataset.column));
      this.view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
      this.view.focus();
    });
    this.mark();
    try {
      const answer = await fetch(this.getAttribute("schema"));
      if (answer.ok) source = complete(await answer.json());
    } catch { /* the editor works without completion */ }
  }

  // mark shows the problems that the page lists at their places.
  mark() {
    const doc = this.view.state.doc;
    const found = [...document.querySelectorAll("[data-problem]")].map((p) => ({
      ...place(doc, Number(p.dataset.line), Number(p.dataset.column)),
      severity: p.dataset.problem, message: p.dataset.message,
    }));
    this.view.dispatch(setDiagnostics(this.view.state, found));
  }
}
customElements.define("yaml-editor", YamlEditor);

// Leaving with unsaved text asks first.
const form = document.querySelector("form[data-guard]");
const area = form?.querySelector("textarea");
if (area) {
  const saved = area.dataset.saved !== undefined ? document.getElementById(area.dataset.saved).value : area.value;
  let leaving = false;
  form.addEventListener("submit", () => { leaving = true; });
  addEventListener("beforeunload", (e) => { if (!leaving && area.value.replaceAll("\r\n", "\n") !== saved.replaceAll("\r\n", "\n")) e.preventDefault(); });
}
