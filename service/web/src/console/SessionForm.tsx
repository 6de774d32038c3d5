// The form of a session's configuration, made from the schema that the service gives. What was found
// on the network and in the registry is offered where it may be written.
import { useEffect, useMemo, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { written } from "../shared/form/path";
import { isPlain, type Schema } from "../shared/form/schema";
import { SchemaForm } from "../shared/form/SchemaForm";
import type { Edit, Located } from "../shared/form/yaml";
import { tell } from "../shared/notices";
import type { Manifest, StreamView } from "../shared/wire";
import { chosenIn, isSignal } from "../shared/streamChoice";
import type { Draft } from "./useDraft";

const NAMES_MODEL = /\.(model|network)$/;

export interface SessionFormProps {
  draft: Draft;
  errors: Located[];
  found: StreamView[];
  onEdit: (edit: Edit) => void;
  onChoose: (stream: StreamView) => void;
}

export function SessionForm({ draft, errors, found, onEdit, onChoose }: SessionFormProps) {
  const [schema, setSchema] = useState<Schema | null>(null);
  const [models, setModels] = useState<Manifest[]>([]);
  useEffect(() => {
    call("get", "/v1/schema")
      .then((answer) => setSchema(answer as Schema))
      .catch((error: unknown) => tell("bad", sentence(error)));
    call("get", "/v1/models")
      .then((answer) => setModels(answer.models))
      .catch((error: unknown) => tell("warn", sentence(error)));
  }, []);
  const signal = chosenIn(draft.data, found);
  const suggest = useMemo(() => suggestions(found, signal, models), [found, signal, models]);
  if (schema === null) return <p class="soft">The form is being made…</p>;
  return (
    <>
      {draft.faults.length > 0 && (
        <p class="warn" role="status">
          The YAML cannot be read, so the form shows what it said before. Mend it first.
        </p>
      )}
      <SchemaForm
        label="Configuration"
        root={schema}
        value={draft.data}
        errors={errors}
        disabled={draft.faults.length > 0}
        version={draft.version}
        edit={onEdit}
        suggest={(path) => suggest(written(path))}
        extras={{ stream: <Found found={found.filter(isSignal)} chosen={signal} onChoose={onChoose} /> }}
      />
    </>
  );
}

/** What may well be written in a place, by its path. */
function suggestions(found: StreamView[], signal: StreamView | null, models: Manifest[]): (path: string) => string[] {
  const [signals, markers] = [found.filter(isSignal), found.filter((each) => !isSignal(each))];
  const unique = (texts: string[]) => [...new Set(texts.filter(Boolean))];
  const of = (streams: StreamView[], key: string) => (key === "channels" ? unique([(signal?.labels ?? []).join(", ")]) : unique(streams.map((each) => String((each as unknown as Record<string, unknown>)[key] ?? ""))));
  return (path) => {
    const [place, key = ""] = path.split(".");
    const isNamed = ["name", "source_id", "host", "uid", "type", "channels"].includes(key);
    if (place === "stream" && isNamed) return of(signals, key);
    if (place === "markers" && isNamed) return of(markers, key);
    if (NAMES_MODEL.test(path)) return unique(models.map((each) => (each.origin === "shipped" ? each.name : `${each.name}@${each.version}`)));
    return [];
  };
}

function Found({ found, chosen, onChoose }: { found: StreamView[]; chosen: StreamView | null; onChoose: (stream: StreamView) => void }) {
  return (
    <div class="field wide">
      <label for="found">Found on the network</label>
      <select
        id="found"
        value={chosen?.uid ?? ""}
        onChange={(event) => {
          const stream = found.find((each) => each.uid === event.currentTarget.value);
          if (stream) onChoose(stream);
        }}
      >
        <option value="">{found.length ? "none of these" : "nothing was found"}</option>
        {found.map((each) => (
          <option key={each.uid} value={each.uid}>
            {each.name} ({each.n_channels} channels, {each.rate_hz} Hz, {each.host})
          </option>
        ))}
      </select>
    </div>
  );
}

/** Whether a configuration has the signal recorded, in either form that the service reads. */
export function isRecorded(data: unknown): boolean {
  const outputs = isPlain(data) ? data["outputs"] : undefined;
  if (Array.isArray(outputs)) return outputs.some((each) => isPlain(each) && each["kind"] === "record");
  return isPlain(outputs) && outputs["record"] === true;
}

/** What is to be changed for the signal to be recorded, or not. */
export function recording(data: unknown, on: boolean): Edit {
  const outputs = isPlain(data) ? data["outputs"] : undefined;
  if (isPlain(outputs)) return { do: "set", at: ["outputs", "record"], value: on };
  const others = (Array.isArray(outputs) ? outputs : []).filter((each) => !(isPlain(each) && each["kind"] === "record"));
  return { do: "set", at: ["outputs"], value: on ? [...others, { kind: "record" }] : others };
}
