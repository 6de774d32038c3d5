// A session file in the page: read as the service reads it (YAML 1.1), and where in it a key stands.
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document } from "yaml";
import type { StreamView } from "../shared/wire";

const OPTIONS = { version: "1.1", prettyErrors: false } as const;

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

/** Write a chosen stream into a session file, its markers too where there are any. */
export function chooseStream(text: string, stream: StreamView, markers: StreamView | null): string {
  const document: Document = parseDocument(text, OPTIONS);
  if (document.errors.length || !isMap(document.contents)) return text;
  if (!isMap(document.get("stream"))) document.set("stream", document.createNode({}));
  for (const key of ["name", "source_id"]) document.deleteIn(["stream", key]);
  if (stream.source_id) document.setIn(["stream", "source_id"], stream.source_id);
  else document.setIn(["stream", "name"], stream.name);
  if (stream.type !== "EEG") document.setIn(["stream", "type"], stream.type);
  if (markers) document.set("markers", document.createNode({ type: markers.type, source_id: markers.source_id }));
  else document.delete("markers");
  return document.toString({ lineWidth: 100, flowCollectionPadding: false });
}
