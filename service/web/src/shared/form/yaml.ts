// A configuration as text: read as the service reads it (YAML 1.1), where in it a key stands, and
// changed in one place, so that all else, comments too, stays as it was written.
import { Document, isAlias, isCollection, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";
import type { Path } from "./path";

const OPTIONS = { version: "1.1", prettyErrors: false } as const;
const WRITING = { lineWidth: 100, flowCollectionPadding: false } as const;
/** Longer ones are written over several lines. */
const MOST_IN_A_LINE = 60;

export interface Located {
  /** From 1; null where the text has no such place. */
  line: number | null;
  path: string;
  message: string;
}

export interface ReadFile {
  data: unknown;
  errors: Located[];
}

export type Edit =
  | { do: "set"; at: Path; value: unknown }
  | { do: "remove"; at: Path }
  /** Take a list's item to another place. */
  | { do: "move"; at: Path; from: number; to: number };

export function readYaml(text: string): ReadFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { ...OPTIONS, lineCounter: lines });
  const errors = document.errors.map((error) => ({
    line: lines.linePos(error.pos[0]).line,
    path: "(YAML)",
    message: error.message,
  }));
  return { data: errors.length ? null : document.toJS(), errors };
}

/** Find the line of a key as the service names it (`stages[0].low_hz`), or of what it is missing in. */
export function lineOf(text: string, path: string): number | null {
  const lines = new LineCounter();
  const document = parseDocument(text, { ...OPTIONS, lineCounter: lines });
  const keys = path.split(/[.[\]]+/).filter((key) => key !== "");
  let node: unknown = document.contents;
  let at: number | null = null;
  for (const key of keys) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
      if (!pair) break;
      if (isScalar(pair.key) && pair.key.range) at = pair.key.range[0];
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      const range = (node as { range?: [number, number, number] | null } | undefined)?.range;
      if (!range) break;
      at = range[0];
    } else break;
  }
  return at === null ? null : lines.linePos(at).line;
}

/** Change a text in one place; one that cannot be read stays as it is. */
export function edited(text: string, ...edits: Edit[]): string {
  let document: Document = parseDocument(text, OPTIONS);
  if (document.errors.length) return text;
  // What is named twice cannot be changed in one place alone.
  if (hasAlias(document)) document = new Document(document.toJS(), OPTIONS);
  for (const edit of edits) apply(document, edit);
  return document.toString(WRITING);
}

function apply(document: Document, edit: Edit): void {
  const at = [...edit.at];
  switch (edit.do) {
    case "set":
      makeWay(document, at);
      document.setIn(at, nodeOf(document, edit.value));
      return;
    case "remove":
      if (document.hasIn(at)) document.deleteIn(at);
      return;
    case "move": {
      const list = document.getIn(at);
      if (isSeq(list)) list.items.splice(edit.to, 0, ...list.items.splice(edit.from, 1));
    }
  }
}

/** Put collections where a path leads through and there are none. */
function makeWay(document: Document, path: (string | number)[]): void {
  for (let n = 0; n < path.length; n++) {
    const before = path.slice(0, n);
    const there: unknown = n ? document.getIn(before, true) : document.contents;
    if (isCollection(there)) continue;
    const empty = document.createNode(typeof path[n] === "number" ? [] : {});
    if (n) document.setIn(before, empty);
    else document.contents = empty;
  }
}

function nodeOf(document: Document, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return document.createNode(value, { flow: JSON.stringify(value).length < MOST_IN_A_LINE });
}

function hasAlias(document: Document): boolean {
  let found = false;
  visit(document, {
    Alias(_, node) {
      found ||= isAlias(node);
      return visit.BREAK;
    },
  });
  return found;
}
